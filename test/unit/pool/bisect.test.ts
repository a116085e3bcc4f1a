import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { runInChunks } from '../../../src/pool/bisect.js';

async function collect(
  items: readonly number[],
  maxBatch: number,
  run: (chunk: readonly number[]) => readonly unknown[],
  weigh: (item: number) => number = () => 1,
) {
  const values: unknown[] = [];
  const sizes: number[] = [];
  await runInChunks(
    items,
    { limit: () => maxBatch, weigh },
    (chunk) => {
      sizes.push(chunk.length);
      return run(chunk);
    },
    (index, value) => (values[index] = value),
  );
  return { values, sizes };
}

describe('runInChunks', () => {
  it('runs chunks of at most maxBatch in order', async () => {
    const { values, sizes } = await collect([1, 2, 3, 4, 5], 2, (chunk) => chunk.map((n) => n * 10));
    expect(values).toEqual([10, 20, 30, 40, 50]);
    expect(sizes).toEqual([2, 2, 1]);
  });

  it('counts weights: light items share a chunk, and one that is too heavy goes alone', async () => {
    const weights = [0, 3, 2, 0, 4, 9, 1, 0];
    const { values, sizes } = await collect(
      weights.map((_, index) => index),
      5,
      (chunk) => chunk,
      (index) => weights[index] ?? 0,
    );
    expect(values).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(sizes).toEqual([4, 1, 1, 2]);
  });

  it('halves a failing chunk until the bad item stands alone; its mates succeed', async () => {
    const { values, sizes } = await collect([1, 2, 3, 4, 5, 6, 7, 8], 8, (chunk) => {
      if (chunk.includes(6)) throw new RunnerError('RUN_FAILED', 'six');
      return chunk;
    });
    expect(values.filter((_, index) => index !== 5)).toEqual([1, 2, 3, 4, 5, 7, 8]);
    expect(values[5]).toMatchObject({ code: 'RUN_FAILED' });
    expect(sizes).toEqual([8, 4, 4, 2, 1, 1, 2]);
  });

  it('treats a wrong number of values as a failure of the chunk', async () => {
    const { values } = await collect([1, 2], 2, (chunk) => (chunk.length > 1 ? [1] : chunk));
    expect(values).toEqual([1, 2]);
    const { values: single } = await collect([1], 1, () => []);
    expect(single[0]).toMatchObject({ code: 'TASK_FAILED' });
  });

  it('gives every item exactly one value, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        async (bad, maxBatch) => {
          const items = bad.map((_, index) => index);
          const { values } = await collect(items, maxBatch, (chunk) => {
            if (chunk.some((index) => bad[index])) throw new Error('bad');
            return chunk;
          });
          bad.forEach((isBad, index) => {
            if (isBad) expect(values[index]).toBeInstanceOf(RunnerError);
            else expect(values[index]).toBe(index);
          });
        },
      ),
    );
  });
});
