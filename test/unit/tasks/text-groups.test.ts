import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupByLength } from '../../../src/tasks/text-groups.js';

describe('groupByLength', () => {
  it('gives texts of like length one run, and a long text one of its own', () => {
    expect(groupByLength([7, 77, 9, 8], 8)).toEqual([[1], [2, 3, 0]]);
  });

  it('does not split what differs by a few tokens only', () => {
    expect(groupByLength([3, 11], 8)).toEqual([[1, 0]]);
    expect(groupByLength([3, 12], 8)).toEqual([[1], [0]]);
  });

  it('never exceeds the batch', () => {
    expect(groupByLength([5, 5, 5], 2)).toEqual([[0, 1], [2]]);
    expect(groupByLength([5, 6], 1)).toEqual([[1], [0]]);
  });

  it('puts every text into one group, with less than half of a row empty', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 77 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 16 }),
        (lengths, maxBatch) => {
          const groups = groupByLength(lengths, maxBatch);
          expect(groups.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, place) => place));
          for (const group of groups) {
            expect(group.length).toBeLessThanOrEqual(maxBatch);
            const own = group.map((place) => lengths[place]!);
            const longest = Math.max(...own);
            expect(own.every((length) => 2 * length >= longest || longest - length <= 8)).toBe(true);
          }
        },
      ),
      { seed: 5 },
    );
  });
});
