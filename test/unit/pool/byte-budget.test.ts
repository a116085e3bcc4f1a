import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteBudget } from '../../../src/pool/byte-budget.js';

/** Asks, and notes in `taken` who got what. */
function ask(budget: ByteBudget, bytes: number, name: string, taken: string[]): Promise<() => void> {
  return budget.take(bytes).then((giveBack) => {
    taken.push(name);
    return giveBack;
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lends while there is enough, and lets the others wait in their order', async () => {
  const budget = new ByteBudget(100);
  const taken: string[] = [];
  const first = await ask(budget, 60, 'first', taken);
  const large = ask(budget, 60, 'large', taken);
  // Would fit, but the large one was there before: it must not starve.
  const small = ask(budget, 10, 'small', taken);
  await turn();
  expect(taken).toEqual(['first']);
  first();
  (await large)();
  (await small)();
  expect(taken).toEqual(['first', 'large', 'small']);
});

it('gives all of it to who wants more than there is, when nobody else holds any', async () => {
  const budget = new ByteBudget(100);
  const taken: string[] = [];
  const one = await ask(budget, 1, 'one', taken);
  const giant = ask(budget, 1e9, 'giant', taken);
  await turn();
  expect(taken).toEqual(['one']);
  one();
  const giveBack = await giant;
  const next = ask(budget, 1, 'next', taken);
  await turn();
  expect(taken).toEqual(['one', 'giant']);
  giveBack();
  await next;
});

it('takes bytes back once, however often they are given back', async () => {
  const budget = new ByteBudget(10);
  const giveBack = await budget.take(10);
  giveBack();
  giveBack();
  await budget.take(10);
  const taken: string[] = [];
  void ask(budget, 1, 'too much', taken);
  await turn();
  expect(taken).toEqual([]);
});

it('never lends more than its total, and serves everybody', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 30 }), async (wishes) => {
      const budget = new ByteBudget(100);
      let held = 0;
      const work = wishes.map(async (wish) => {
        const bytes = Math.min(wish, 100);
        const giveBack = await budget.take(wish);
        held += bytes;
        expect(held).toBeLessThanOrEqual(100);
        await turn();
        held -= bytes;
        giveBack();
      });
      await Promise.all(work);
      expect(held).toBe(0);
    }),
  );
});
