import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PrecisionRow } from '../../../src/cli/models/compare/compare-side.js';
import { fidelityOf, ratioOf, spreadOf } from '../../../src/cli/models/compare/figures.js';
import { madePictures } from '../../../src/cli/models/compare/pictures.js';
import { race } from '../../../src/cli/models/compare/race.js';
import { comparisonLines } from '../../../src/cli/models/compare/report.js';
import { cosineText, judge, THRESHOLDS, type Measured } from '../../../src/cli/models/compare/verdict.js';
import { ROOT } from '../../support/program.js';

const unit = (...angles: readonly number[]): Float32Array[] =>
  angles.map((degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return Float32Array.of(Math.cos(angle), Math.sin(angle));
  });

describe('a spread', () => {
  it('is the median and the quartiles, whatever the order', () => {
    expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, lower: 2, upper: 4 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, lower: 1.75, upper: 3.25 });
    expect(spreadOf([7])).toEqual({ median: 7, lower: 7, upper: 7 });
    expect(spreadOf([]).median).toBeNaN();
  });

  it('of ratios is taken round by round, so that what slows a round for both changes nothing', () => {
    expect(ratioOf([10, 30, 20], [5, 15, 10])).toEqual({ median: 2, lower: 2, upper: 2 });
  });
});

describe('fidelity', () => {
  it('is the least and the mean cosine of the pairs', () => {
    const { inputs, min, mean, found } = fidelityOf(unit(0, 90, 180), unit(0, 120, 180));
    expect({ inputs, found }).toEqual({ inputs: 3, found: 3 });
    expect(min).toBeCloseTo(Math.sqrt(3) / 2, 6);
    expect(mean).toBeCloseTo((2 + Math.sqrt(3) / 2) / 3, 6);
  });

  it('counts the inputs that would be taken for another', () => {
    expect(fidelityOf(unit(0, 60), unit(40, 60)).found).toBe(1);
  });

  it('holds nothing against mistaking what the reference hardly tells apart', () => {
    expect(fidelityOf(unit(0, 2, 4, 90), unit(2, 4, 0, 90)).found).toBe(4);
    expect(fidelityOf(unit(0, 0), unit(1, 1)).found).toBe(2);
  });
});

describe('a race', () => {
  /** Each step takes a second of a clock of its own. */
  function clocked(): { order: string[]; step: (name: string) => () => Promise<number>; now: () => number } {
    const order: string[] = [];
    return {
      order,
      step: (name) => () => Promise.resolve(order.push(name)),
      now: () => 1000 * order.length,
    };
  }

  it('lets both begin in turn, and leaves the first run of each out', async () => {
    const { order, step, now } = clocked();
    const times = await race(step('a'), step('b'), { leastRounds: 3, mostRounds: 3, ms: 0, now });
    expect(order.join('')).toBe('ababbaab');
    expect(times).toEqual({ reference: [3, 6, 7], candidate: [4, 5, 8] });
  });

  it('goes on for its time, but for no fewer and no more rounds than it may', async () => {
    const roundsOf = async (ms: number): Promise<number> => {
      const { step, now } = clocked();
      return (await race(step('a'), step('b'), { leastRounds: 2, mostRounds: 9, ms, now })).candidate.length;
    };
    expect([await roundsOf(0), await roundsOf(10_000), await roundsOf(1e9)]).toEqual([2, 5, 9]);
  });
});

const MEASURED: Measured = {
  dtype: 'q8',
  device: 'cpu',
  referenceDevice: 'cpu',
  fidelity: { inputs: 24, min: 0.9945, mean: 0.999, found: 24 },
  failures: [],
  ratio: { median: 1.8, lower: 1.7, upper: 1.9 },
  fileBytes: 25,
  referenceBytes: 100,
};
const withMin = (min: number, found = 24): Measured => ({
  ...MEASURED,
  fidelity: { ...MEASURED.fidelity, min, found },
});

describe('a verdict', () => {
  it('says how near, how fast and how large, and then what it means', () => {
    expect(judge(MEASURED)).toEqual({
      verdict: 'fit',
      says: 'min cosine 0.994, 1.8 times as fast, 75 % smaller: fit for search, also beside vectors of fp32',
    });
  });

  it.each([
    [1, 'equal'],
    [THRESHOLDS.equal, 'equal'],
    [0.9989, 'fit'],
    [THRESHOLDS.fit, 'fit'],
    [0.9899, 'apart'],
    [THRESHOLDS.apart, 'apart'],
    [0.9499, 'unfit'],
    [-0.4, 'unfit'],
    [NaN, 'unfit'],
  ])('for a least cosine of %f is %s', (min, verdict) => {
    expect(judge(withMin(min)).verdict).toBe(verdict);
  });

  it('is unfit where inputs are mistaken for others, however near the vectors are', () => {
    expect(judge(withMin(0.9999, 22)).verdict).toBe('equal');
    expect(judge(withMin(0.9999, 21))).toMatchObject({
      verdict: 'unfit',
      says: expect.stringContaining('only 21 of 24 inputs are found by their own vector') as string,
    });
  });

  it('is unfit where an input has no vector, and says why it has none', () => {
    const { verdict, says } = judge({ ...MEASURED, failures: ['The model answered with NaN.'] });
    expect(verdict).toBe('unfit');
    expect(says).toContain('1 of its inputs got no vector (The model answered with NaN.)');
    expect(judge({ ...MEASURED, fidelity: { inputs: 0, min: Infinity, mean: NaN, found: 0 } }).verdict).toBe('unfit');
  });

  it.each([
    [{ ratio: { median: 1.03, lower: 1.02, upper: 1.04 } }, ', as fast, '],
    [{ ratio: { median: 1.4, lower: 0.9, upper: 2 } }, ', as fast, '],
    [{ ratio: { median: 12.4, lower: 12, upper: 13 } }, ', 12 times as fast, '],
    [{ ratio: { median: 0.7, lower: 0.6, upper: 0.8 } }, ', slower (0.70 times as fast), '],
    [{ ratio: { median: 0.7, lower: 0.6, upper: 0.8 }, dtype: 'fp16' }, 'times as fast; processors compute halves'],
    [{ ratio: { median: 0.7, lower: 0.6, upper: 0.8 }, device: 'cuda', referenceDevice: 'cuda' }, 'this is cuda), '],
    [{ referenceDevice: 'cuda' }, '1.8 times as fast (on cpu, fp32 on cuda), '],
    [{ ratio: { median: NaN, lower: NaN, upper: NaN } }, 'min cosine 0.994, 75 % smaller'],
    [{ fileBytes: 110 }, '10 % larger'],
  ] as const)('tells speed and size without more than was measured: %o', (change, words) => {
    expect(judge({ ...MEASURED, ...change }).says).toContain(words);
  });

  it('never rounds a cosine up over a threshold', () => {
    expect([0.99899, 0.94999, 0.9999996, 1].map(cosineText)).toEqual(['0.998', '0.949', '0.999999', '1.000000']);
  });

  it('has its thresholds in docs/models.md', () => {
    const text = readFileSync(path.join(ROOT, 'docs/models.md'), 'utf8');
    const section = /### Comparing precisions\n(.*?)\n##/s.exec(text)?.[1] ?? '';
    for (const threshold of [THRESHOLDS.equal, THRESHOLDS.fit, THRESHOLDS.apart])
      expect(section).toMatch(new RegExp(`\\| +${threshold} +\\|`));
    expect(section).toContain(`${THRESHOLDS.found * 100} %`);
  });
});

describe('the table', () => {
  const ROWS: readonly PrecisionRow[] = [
    {
      ...{ dtype: 'fp32', side: 'vision', verdict: 'reference', says: '', device: 'cpu', batch: 8, threads: 1 },
      ...{ fileBytes: 352e6, memoryBytes: 434e6, ms: { median: 52.11, lower: 51, upper: 530 }, rounds: 7 },
      weights: [
        { use: 'MatMul', type: 'float32', count: 48, bytes: 340e6 },
        { use: 'Conv', type: 'float32', count: 1, bytes: 9.4e6 },
        { use: 'other', type: 'float32', count: 100, bytes: 1e6 },
      ],
    },
    {
      ...{ dtype: 'q8', side: 'vision', verdict: 'fit', says: 'fit for search', device: 'cpu', batch: 8, threads: 1 },
      ...{ fileBytes: 95e6, memoryBytes: 160e6, fidelity: { inputs: 24, min: 0.9945, mean: 0.9981, found: 24 } },
      ...{ ms: { median: 28.9, lower: 28, upper: 30 }, ratio: { median: 1.8, lower: 1.7, upper: 1.9 }, rounds: 7 },
      weights: [
        { use: 'MatMul', type: 'int8', count: 48, bytes: 85e6 },
        { use: 'Conv', type: 'float32', count: 1, bytes: 9.4e6 },
        { use: 'other', type: 'float32', count: 148, bytes: 1.2e6 },
      ],
    },
    { dtype: 'fp16', side: 'vision', verdict: 'failed', says: 'does not run here (device cpu): why' },
  ];

  it('has a line for each precision, with what could be measured of it', () => {
    const [headings = '', ...lines] = comparisonLines(ROWS);
    const cells = (line: string): readonly string[] => line.split(/ {2,}/);
    expect(cells(headings)).toHaveLength(13);
    expect(cells(lines[0]!)).toEqual([
      'fp32',
      'pictures',
      'cpu',
      '352 MB',
      '434 MB',
      '-',
      '-',
      '-',
      '8',
      '52.1',
      '51.0 to 530',
      '1',
      '-',
    ]);
    expect(cells(lines[1]!)).toEqual([
      ...['q8', 'pictures', 'cpu', '95 MB', '160 MB', '0.994', '0.998', '24/24', '8', '28.9', '28.0 to 30.0'],
      ...['1.80', '1.70 to 1.90'],
    ]);
    expect(cells(lines[2]!)).toEqual(['fp16', 'pictures', ...Array.from({ length: 11 }, () => '-')]);
  });

  it('is followed by each verdict and by what became of the weights', () => {
    expect(comparisonLines(ROWS).slice(5)).toEqual([
      'q8, pictures: fit for search',
      '  weights: MatMul 48 int8 of 85 MB (fp32: 48 float32 of 340 MB); Conv 1 float32 of 9.4 MB (as in fp32); ' +
        'biases, scales and the like 1.2 MB (fp32: 1.0 MB)',
      'fp16, pictures: does not run here (device cpu): why',
    ]);
  });
});

describe('made pictures', () => {
  it('are the same each time, and no two alike', async () => {
    const hashes = async (): Promise<readonly string[]> =>
      (await madePictures()).inputs.map((input) => createHash('sha256').update(input).digest('hex'));
    const first = await hashes();
    expect(await hashes()).toEqual(first);
    expect(new Set(first).size).toBe(24);
  });
});
