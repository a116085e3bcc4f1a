import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { gatherRuns } from '../../../src/tasks/face/gather.js';

describe('gatherRuns', () => {
  it('lets what is ready together share a run, and what comes meanwhile the next', async () => {
    const runs: number[][] = [];
    const late: Promise<number>[] = [];
    const ask = gatherRuns((inputs: readonly number[]) => {
      runs.push([...inputs]);
      if (runs.length === 1) late.push(ask(10), ask(11), ask(12));
      return Promise.resolve(inputs.map((n) => n * 2));
    }, 2);
    expect(await Promise.all([ask(1), ask(2), ask(3)])).toEqual([2, 4, 6]);
    expect(await Promise.all(late)).toEqual([20, 22, 24]);
    expect(runs).toEqual([
      [1, 2],
      [3, 10],
      [11, 12],
    ]);
  });

  it('runs the inputs of a failed run one by one: the bad one fails alone', async () => {
    const ask = gatherRuns((inputs: readonly number[]) => {
      if (inputs.includes(2)) throw new RunnerError('RUN_FAILED', 'two');
      return Promise.resolve(inputs);
    }, 8);
    const outcomes = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'RUN_FAILED' } });
  });

  it('rejects an input whose place has an error, and goes on afterwards', async () => {
    const bad = new RunnerError('RUN_BAD_OUTPUT', 'NaN');
    const ask = gatherRuns((inputs: readonly number[]) => Promise.resolve(inputs.map((n) => (n === 1 ? bad : n))), 4);
    const outcomes = await Promise.allSettled([ask(1), ask(5)]);
    expect(outcomes[0]).toEqual({ status: 'rejected', reason: bad });
    expect(outcomes[1]).toEqual({ status: 'fulfilled', value: 5 });
    expect(await ask(7)).toBe(7);
  });
});
