import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupByLength } from '../../../src/tasks/text-groups.js';

const RUN_TOKENS = 24;

describe('groupByLength', () => {
  it('gives a long text a run of its own', () => {
    expect(groupByLength([7, 77, 9, 8], 8)).toEqual([[1], [2, 3, 0]]);
  });

  it('splits where the padding would cost more than a run', () => {
    expect(groupByLength([3, 3 + RUN_TOKENS], 8)).toEqual([[1, 0]]);
    expect(groupByLength([3, 3 + RUN_TOKENS + 1], 8)).toEqual([[1], [0]]);
    // Many short texts beside a long one: a few tokens of difference are worth a run as well.
    expect(groupByLength([16, 10, 10, 10, 10, 10], 8)).toEqual([[0], [1, 2, 3, 4, 5]]);
    expect(groupByLength([14, 10, 10, 10, 10, 10], 8)).toEqual([[0, 1, 2, 3, 4, 5]]);
  });

  it('never exceeds the batch', () => {
    expect(groupByLength([5, 5, 5], 2).map((group) => group.length)).not.toContain(3);
    expect(groupByLength([5, 6], 1)).toEqual([[1], [0]]);
  });

  it('takes no text: no group', () => {
    expect(groupByLength([], 8)).toEqual([]);
  });

  it('puts every text into one group, at the least cost of all ways to cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 77 }), { maxLength: 9 }),
        fc.integer({ min: 1, max: 6 }),
        (lengths, maxBatch) => {
          const groups = groupByLength(lengths, maxBatch);
          expect(groups.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, place) => place));
          expect(groups.every((group) => group.length <= maxBatch)).toBe(true);
          const taken = groups.map((group) => group.map((place) => lengths[place]!));
          expect(costOf(taken)).toBe(leastCost(lengths, maxBatch));
        },
      ),
      { seed: 5 },
    );
  });
});

function costOf(groups: readonly (readonly number[])[]): number {
  return groups.reduce((sum, group) => sum + RUN_TOKENS + group.length * Math.max(...group), 0);
}

/** Of every way to cut the sorted lengths, by trying them all. */
function leastCost(lengths: readonly number[], maxBatch: number): number {
  const sorted = [...lengths].sort((a, b) => b - a);
  const costs: number[] = [];
  for (let cuts = 0; cuts < 2 ** Math.max(0, sorted.length - 1); cuts++) {
    const groups: number[][] = [];
    sorted.forEach((length, place) => {
      const isNew = place === 0 || (cuts & (1 << (place - 1))) !== 0;
      if (isNew) groups.push([length]);
      else groups.at(-1)?.push(length);
    });
    if (groups.every((group) => group.length <= maxBatch)) costs.push(costOf(groups));
  }
  return Math.min(...costs);
}
