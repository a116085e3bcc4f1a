import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { reconcile } from '../../../src/queue/reconcile.js';

const bytes = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

describe('reconcile', () => {
  it('finds nothing where list and hand agree, in whatever order', () => {
    expect(reconcile(bytes('a', 'b', 'a'), bytes('a', 'a', 'b'), [])).toEqual({
      ghosts: [],
      lost: [],
      undone: [],
      done: [],
    });
  });

  it('calls what nobody holds a ghost, the oldest first', () => {
    expect(reconcile(bytes('new', 'held', 'old'), bytes('held'), []).ghosts).toEqual([2, 0]);
  });

  it('calls one of two twins a ghost where one is held', () => {
    expect(reconcile(bytes('twin', 'twin'), bytes('twin'), []).ghosts).toHaveLength(1);
  });

  it('calls what is held but not listed lost', () => {
    expect(reconcile(bytes('a'), bytes('a', 'a', 'b'), []).lost).toEqual([1, 2]);
  });

  it('takes an owed removal for done where only the held twin is left', () => {
    expect(reconcile(bytes('twin'), bytes('twin'), bytes('twin'))).toEqual({
      ghosts: [],
      lost: [],
      undone: [],
      done: [0],
    });
  });

  it('takes an owed removal for undone where both twins are left', () => {
    expect(reconcile(bytes('twin', 'twin'), bytes('twin'), bytes('twin'))).toEqual({
      ghosts: [],
      lost: [],
      undone: [0],
      done: [],
    });
  });

  it('takes the first of several owed removals for the undone one', () => {
    expect(reconcile(bytes('a'), [], bytes('a', 'a'))).toMatchObject({ undone: [0], done: [1] });
  });

  it('tells elements apart by every byte', () => {
    const one = Buffer.from([0xff, 0x00]);
    const other = Buffer.from([0xfe, 0x00]);
    expect(reconcile([one], [other], [])).toMatchObject({ ghosts: [0], lost: [0] });
  });

  it('accounts for every listed element exactly once', () => {
    const elements = fc.array(fc.constantFrom(...bytes('a', 'b', 'c')), { maxLength: 8 });
    fc.assert(
      fc.property(elements, elements, elements, (listed, held, owed) => {
        const { ghosts, lost, undone, done } = reconcile(listed, held, owed);
        expect(ghosts.length + undone.length + held.length - lost.length).toBe(listed.length);
        expect([...undone, ...done].sort((a, b) => a - b)).toEqual(owed.map((_, place) => place));
        expect(new Set(ghosts).size).toBe(ghosts.length);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
