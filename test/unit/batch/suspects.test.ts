import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_KILLS, SuspectList, judge } from '../../../src/batch/suspects.js';

interface Item {
  readonly id: number;
  readonly kills: number;
}

describe('judge', () => {
  it('takes what killed three processes for poison, and nothing before', () => {
    expect([0, 1, 2, 3, 4].map(judge)).toEqual(['suspect', 'suspect', 'suspect', 'poison', 'poison']);
  });
});

describe('SuspectList', () => {
  const item = (id: number, kills: number): Item => ({ id, kills });

  it('gives out one at a time: the one with the fewest deaths, of those the oldest', () => {
    const list = new SuspectList<Item>();
    for (const suspect of [item(1, 2), item(2, 1), item(3, 1), item(4, 0)]) list.add(suspect);
    const order: number[] = [];
    for (;;) {
      const next = list.take(0);
      if (next === undefined) break;
      expect(list.take(0)).toBeUndefined();
      order.push(next.id);
      list.endTrial();
    }
    expect(order).toEqual([4, 2, 3, 1]);
  });

  it('gives out nothing while anything is under way', () => {
    const list = new SuspectList<Item>();
    list.add(item(1, 1));
    expect(list.take(1)).toBeUndefined();
    expect(list.take(0)).toEqual(item(1, 1));
  });

  it('lets nothing else begin while one waits or is on trial', () => {
    const list = new SuspectList<Item>();
    expect(list.isBusy).toBe(false);
    list.add(item(1, 1));
    expect(list.isBusy).toBe(true);
    list.take(0);
    expect(list.isBusy).toBe(true);
    list.endTrial();
    expect(list.isBusy).toBe(false);
  });

  it('gives back all that wait', () => {
    const list = new SuspectList<Item>();
    list.add(item(1, 1));
    list.add(item(2, 1));
    expect(list.clear().map(({ id }) => id)).toEqual([1, 2]);
    expect(list.size).toBe(0);
    expect(list.take(0)).toBeUndefined();
  });
});

/** A process that takes batches and dies of each that has a deadly item in it, and what becomes of the items. */
function simulate(isDeadly: readonly boolean[], maxBatch: number, isDeathFromOutside: () => boolean) {
  const list = new SuspectList<Item>();
  let waiting: Item[] = isDeadly.map((_, id) => ({ id, kills: 0 }));
  const done: number[] = [];
  const poison: number[] = [];
  let deaths = 0;
  while (waiting.length > 0 || list.isBusy) {
    const suspect = list.take(0);
    const batch = suspect === undefined ? waiting.slice(0, maxBatch) : [suspect];
    if (suspect === undefined) waiting = waiting.slice(maxBatch);
    if (batch.some(({ id }) => isDeadly[id]) || isDeathFromOutside()) {
      deaths += 1;
      for (const { id, kills } of batch) {
        if (judge(kills + 1) === 'poison') poison.push(id);
        else list.add({ id, kills: kills + 1 });
      }
    } else done.push(...batch.map(({ id }) => id));
    list.endTrial();
  }
  return { done, poison, deaths };
}

describe('a process that dies of some items', () => {
  const items = fc.array(
    fc.boolean().chain((coin) => (coin ? fc.boolean() : fc.constant(false))),
    { maxLength: 60 },
  );

  it('ends with exactly those in the dead letters, each after three deaths of its own at most', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 16 }), (isDeadly, maxBatch) => {
        const { done, poison, deaths } = simulate(isDeadly, maxBatch, () => false);
        const deadly = isDeadly.flatMap((is, id) => (is ? [id] : []));
        expect([...poison].sort((a, b) => a - b)).toEqual(deadly);
        expect([...done].sort((a, b) => a - b)).toEqual(isDeadly.flatMap((is, id) => (is ? [] : [id])));
        expect(deaths).toBeLessThanOrEqual(deadly.length * MAX_KILLS);
      }),
    );
  });

  it('loses and doubles nothing, and blames no innocent, though something ends it from outside', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 16 }), fc.infiniteStream(fc.nat(4)), (isDeadly, maxBatch, dice) => {
        let outside = 0;
        const { done, poison } = simulate(isDeadly, maxBatch, () => {
          const isDeath = outside < 1 && dice.next().value === 0;
          outside += isDeath ? 1 : 0;
          return isDeath;
        });
        expect([...done, ...poison].sort((a, b) => a - b)).toEqual(isDeadly.map((_, id) => id));
        // One in bad company and one from outside are not enough for a verdict.
        for (const id of poison) expect(isDeadly[id]).toBe(true);
      }),
    );
  });
});
