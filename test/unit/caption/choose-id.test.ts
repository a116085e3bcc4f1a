import { describe, expect, it } from 'vitest';
import { chooseId } from '../../../src/tasks/caption/choose-id.js';

/** Logits in which the first of the ids is the likeliest, then the second, and so on. */
function liking(...ids: readonly number[]): Float32Array {
  const logits = new Float32Array(10);
  ids.forEach((id, place) => (logits[id] = ids.length - place));
  return logits;
}

const free = { isLast: false, rules: { noRepeatSize: 0 } };
const noRepeat = (noRepeatSize: number) => ({ isLast: false, rules: { noRepeatSize } });
const forced = { firstId: 0, lastId: 2, noRepeatSize: 0 };

describe('chooseId', () => {
  it('takes the likeliest id, the smallest of equals', () => {
    expect(chooseId(liking(4, 3), { ids: [2], ...free })).toBe(4);
    expect(chooseId(Float32Array.of(1, 3, 3), { ids: [2], ...free })).toBe(1);
  });

  it.each([
    ['an id that would end a run of three which was there', 3, [2, 5, 6, 7, 5, 6], [7, 8], 8],
    ['the id behind one that the sentence begins with', 3, [2, 5, 6, 2, 5], [6, 7], 7],
    ['what would repeat a run of two', 2, [2, 7, 9, 7, 8, 7], [8, 9, 6], 6],
    ['every id of the sentence, where none may come twice', 1, [2, 7, 6], [7, 6, 5], 5],
    ['nothing else: the run differs', 3, [2, 5, 6, 7, 6], [7, 8], 7],
    ['nothing of a sentence shorter than a run', 4, [7, 7], [7, 8], 7],
  ])('leaves out %s', (_, size, ids, likes, expected) => {
    expect(chooseId(liking(...likes), { ids, ...noRepeat(size) })).toBe(expected);
  });

  it('begins and ends a sentence with the ids that its model forces', () => {
    expect(chooseId(liking(5), { ids: [2], isLast: false, rules: forced })).toBe(0);
    expect(chooseId(liking(5), { ids: [2, 0], isLast: false, rules: forced })).toBe(5);
    expect(chooseId(liking(5), { ids: [2, 0, 4], isLast: true, rules: forced })).toBe(2);
    // A sentence of one id: transformers applies the rule for the end after that for the beginning.
    expect(chooseId(liking(5), { ids: [2], isLast: true, rules: forced })).toBe(2);
  });

  it('never hides NaN behind a rule', () => {
    const broken = liking(5).fill(Number.NaN, 9);
    expect(chooseId(broken, { ids: [2], isLast: false, rules: forced })).toBeUndefined();
    expect(chooseId(broken, { ids: [2, 9, 9, 9], ...noRepeat(1) })).toBeUndefined();
    expect(chooseId(new Float32Array(3).fill(-Infinity), { ids: [2], ...free })).toBeUndefined();
  });
});
