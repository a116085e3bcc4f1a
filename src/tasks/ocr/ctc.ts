/** A line as it was read. */
export interface Reading {
  readonly text: string;
  /** Mean probability of its characters; 0 without any. */
  readonly confidence: number;
}

/** Probabilities of a line: one row per step, one column per class. */
export interface Steps {
  readonly data: Float32Array;
  readonly classes: number;
}

/** The class of "nothing more here". */
const BLANK = 0;

/**
 * The most probable class of each step; repeats and blanks are left out. Class 0 is the blank, class `i` the character
 * `i - 1`. Undefined where a step has no probability that is one: NaN, or beyond 0 to 1.
 */
export function decodeSteps({ data, classes }: Steps, characters: readonly string[]): Reading | undefined {
  let text = '';
  let sum = 0;
  let count = 0;
  let previous = BLANK;
  for (let start = 0; start < data.length; start += classes) {
    const best = indexOfLargest(data, start, start + classes);
    const probability = data[start + best] as number;
    if (!(probability >= 0 && probability <= 1.001)) return undefined;
    if (best !== previous && best !== BLANK) {
      text += characters[best - 1] ?? '';
      sum += probability;
      count += 1;
    }
    previous = best;
  }
  return { text, confidence: count === 0 ? 0 : Math.min(1, sum / count) };
}

/** From `start`; the first place where there is nothing but NaN. */
function indexOfLargest(data: Float32Array, start: number, end: number): number {
  let best = start;
  for (let i = start + 1; i < end; i++) if ((data[i] as number) > (data[best] as number)) best = i;
  return best - start;
}
