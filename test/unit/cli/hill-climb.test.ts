import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../bench/support/random.js';
import { climb, type ClimbLimits, type Reading } from '../../../src/cli/doctor/hill-climb.js';
import { changeText, neighbourTunings } from '../../../src/cli/doctor/tuning-space.js';
import { gainText } from '../../../src/cli/doctor/tune.js';
import type { Tuning } from '../../../src/tuning.js';

const START: Tuning = { maxBatch: 8, threads: 1, intraOpThreads: 4, decodeConcurrency: 4 };
const ANY: ClimbLimits = { memoryBytes: Infinity, measurements: 200 };

/** Climbs on a surface whose measurements are off by up to `noise`, either way. */
function climbOn(
  surface: (tuning: Tuning) => Reading,
  { noise = 0, seed = 1, limits = ANY, start = START, fixed = new Set<keyof Tuning>() } = {},
) {
  const random = seededRandom(seed);
  const measured: string[] = [];
  return climb<Tuning>(
    {
      start,
      neighbours: (point) => neighbourTunings(point, 4, fixed),
      keyOf: (point) => JSON.stringify(point),
      measure: (point) => {
        measured.push(JSON.stringify(point));
        const reading = surface(point);
        return Promise.resolve({ ...reading, perSecond: reading.perSecond * (1 + noise * (2 * random() - 1)) });
      },
    },
    limits,
  ).then((result) => ({ ...result, measured }));
}

/** A hill with its top at batch 32, two threads, six decodings. */
const hill = ({ maxBatch, threads, decodeConcurrency }: Tuning): Reading => ({
  perSecond:
    100 -
    8 * Math.abs(Math.log2(maxBatch) - 5) -
    10 * Math.abs(Math.log2(threads) - 1) -
    3 * Math.abs(decodeConcurrency - 6),
  memoryBytes: 1e8 * threads + 1e7 * maxBatch,
});
const TOP = { maxBatch: 32, threads: 2, intraOpThreads: 2, decodeConcurrency: 6 };
const flat = ({ maxBatch }: Tuning): Reading => ({ perSecond: 50, memoryBytes: 1e8 + maxBatch });

describe('climb', () => {
  it('finds the top of a hill and says by which steps', async () => {
    const { best, steps, start, reading } = await climbOn(hill);
    expect(best).toEqual(TOP);
    expect(start.perSecond).toBeLessThan(reading.perSecond);
    expect(steps[0]?.from).toEqual(START);
    expect(steps.at(-1)?.to).toEqual(TOP);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('finds it though measurements are 2 %% off either way (seed %i)', async (seed) => {
    const { best } = await climbOn(hill, { noise: 0.02, seed });
    expect(hill(best).perSecond).toBeGreaterThanOrEqual(hill(TOP).perSecond * 0.95);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('stays where all is equal, whatever the noise says (seed %i)', async (seed) => {
    const { steps } = await climbOn(flat, { noise: 0.015, seed });
    expect(steps).toEqual([]);
  });

  it('takes no point above the memory limit, however fast', async () => {
    const { best } = await climbOn(hill, { limits: { ...ANY, memoryBytes: 3e8 } });
    expect(hill(best).memoryBytes).toBeLessThanOrEqual(3e8);
    expect(best.maxBatch).toBeLessThan(32);
  });

  it('leaves a start above the memory limit, though that is slower', async () => {
    const slowerAndSmaller = ({ maxBatch }: Tuning): Reading => ({ perSecond: maxBatch, memoryBytes: maxBatch * 1e8 });
    const { best } = await climbOn(slowerAndSmaller, { limits: { ...ANY, memoryBytes: 5e8 } });
    expect(best.maxBatch).toBe(4);
  });

  it('takes the one with less memory where two are as fast', async () => {
    const { best } = await climbOn(({ maxBatch }) => ({ perSecond: 50, memoryBytes: 1e8 * maxBatch }));
    expect(best.maxBatch).toBe(1);
  });

  it('does not trade speed for memory in small steps that add up', async () => {
    const slope = ({ maxBatch }: Tuning): Reading => ({
      perSecond: 50 * 1.015 ** Math.log2(maxBatch),
      memoryBytes: 1e8 * maxBatch,
    });
    const { best, start } = await climbOn(slope, { start: { ...START, maxBatch: 64 } });
    expect(slope(best).perSecond).toBeGreaterThan(start.perSecond * 0.97);
  });

  it('believes no single lucky measurement', async () => {
    let calls = 0;
    const { best, steps } = await climb<Tuning>(
      {
        start: START,
        neighbours: (point) => (point === START ? [TOP] : []),
        keyOf: (point) => JSON.stringify(point),
        measure: () => Promise.resolve({ perSecond: ++calls === 2 ? 90 : 50, memoryBytes: 1 }),
      },
      ANY,
    );
    expect(best).toEqual(START);
    expect(steps).toEqual([]);
  });

  describe('where a point can not be measured', () => {
    const dies = (point: Tuning): boolean => point.maxBatch > 16;
    const climbPast = (signal?: AbortSignal, fails = dies) =>
      climb<Tuning>(
        {
          start: START,
          neighbours: (point) => neighbourTunings(point, 4, new Set()),
          keyOf: (point) => JSON.stringify(point),
          measure: (point) =>
            fails(point) ? Promise.reject(new Error(`batch ${point.maxBatch}`)) : Promise.resolve(hill(point)),
        },
        { ...ANY, ...(signal && { signal }) },
      );

    it('passes it over, tells it, and goes on with what it has', async () => {
      const { best, failures } = await climbPast();
      expect(best).toEqual({ ...TOP, maxBatch: 16 });
      expect(failures.map(({ point }) => point.maxBatch)).toContain(32);
      expect(failures[0]?.thrown).toEqual(new Error('batch 32'));
    });

    it('leaves one that fails when it is measured again', async () => {
      let calls = 0;
      const { best, start, failures } = await climbPast(undefined, (point) => point === START && ++calls === 2);
      expect(best).toEqual(TOP);
      expect(start.perSecond).toBe(hill(START).perSecond);
      expect(failures.map(({ point }) => point)).toEqual([START]);
    });

    it('ends where that is the start, or a signal', async () => {
      await expect(climbPast(undefined, () => true)).rejects.toThrow('batch 8');
      await expect(climbPast(AbortSignal.abort())).rejects.toThrow('batch 32');
    });
  });

  it('varies nothing that is fixed', async () => {
    const { best } = await climbOn(hill, { fixed: new Set(['maxBatch', 'threads', 'intraOpThreads'] as const) });
    expect(best).toEqual({ ...START, decodeConcurrency: 6 });
  });

  it('measures no more often than it may', async () => {
    const { measured } = await climbOn(hill, { limits: { ...ANY, measurements: 7 } });
    expect(measured.length).toBeLessThanOrEqual(7);
  });
});

describe('neighbourTunings', () => {
  it('never asks for more threads than cores, and shares the cores out', () => {
    const tunings = neighbourTunings({ ...START, threads: 4, intraOpThreads: 1 }, 4, new Set());
    for (const { threads, intraOpThreads } of tunings) expect(threads * intraOpThreads).toBeLessThanOrEqual(4);
    expect(tunings.map(({ threads }) => threads)).toContain(3);
  });

  it('looks at other threads first, with as many decodings and with two', () => {
    const [first, second, third] = neighbourTunings({ ...START, decodeConcurrency: 1 }, 4, new Set());
    const two = { ...START, threads: 2, intraOpThreads: 2 };
    expect([first, second]).toEqual([
      { ...two, decodeConcurrency: 1 },
      { ...two, decodeConcurrency: 2 },
    ]);
    expect(third).toMatchObject({ threads: 1, maxBatch: 16 });
  });

  it('leaves decodings that are given when it looks at other threads', () => {
    const tunings = neighbourTunings({ ...START, decodeConcurrency: 1 }, 4, new Set(['decodeConcurrency'] as const));
    expect(tunings.map(({ threads, decodeConcurrency }) => [threads, decodeConcurrency])).toEqual([
      [2, 1],
      [1, 1],
      [1, 1],
    ]);
  });
});

it('says in words what a step brings', () => {
  const [from, to] = [
    { ...START, maxBatch: 16 },
    { ...START, maxBatch: 8 },
  ];
  expect(changeText(from, to)).toBe('batch 8 instead of 16');
  expect(gainText({ perSecond: 100, memoryBytes: 620e6 }, { perSecond: 104, memoryBytes: 500e6 })).toBe(
    '4 % faster, 120 MB less',
  );
});
