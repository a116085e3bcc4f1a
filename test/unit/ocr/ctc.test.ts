import { describe, expect, it } from 'vitest';
import { decodeSteps } from '../../../src/tasks/ocr/ctc.js';
import { languagesOf } from '../../../src/tasks/ocr/languages.js';

const CHARACTERS = ['a', 'b', ' '];

type Best = readonly [character: number, probability: number];

/** One step per class, with that class the most probable. */
function stepsOf(...best: readonly Best[]): Float32Array {
  return Float32Array.from(
    best.flatMap(([character, probability]) =>
      [0, 1, 2, 3].map((i) => (i === character ? probability : (1 - probability) / 3)),
    ),
  );
}

describe('decodeSteps', () => {
  const decode = (...best: readonly Best[]): unknown => decodeSteps({ data: stepsOf(...best), classes: 4 }, CHARACTERS);

  it('drops repeats and blanks, and keeps a character that comes again after a blank', () => {
    expect(decode([1, 1], [1, 1], [0, 1], [1, 1], [3, 1], [2, 1])).toEqual({ text: 'aa b', confidence: 1 });
  });

  it('is as confident as the steps that were kept are in the mean', () => {
    expect(decode([1, 0.5], [1, 0.9], [0, 0.9], [2, 1])).toEqual({ text: 'ab', confidence: 0.75 });
  });

  it('reads nothing in blanks, with no confidence', () => {
    expect(decode([0, 1], [0, 1])).toEqual({ text: '', confidence: 0 });
  });

  it.each([NaN, Infinity, -1, 2])('does not take %d for a probability', (value) => {
    const data = stepsOf([1, 1], [2, 1]);
    data.fill(value, 4, 8);
    expect(decodeSteps({ data, classes: 4 }, CHARACTERS)).toBeUndefined();
  });
});

describe('languagesOf', () => {
  it('goes by the scripts', () => {
    expect(languagesOf('Coffee 咖啡')).toEqual(['zh', 'en']);
    expect(languagesOf('ありがとう')).toEqual(['ja']);
    expect(languagesOf('14:25')).toEqual([]);
  });
});
