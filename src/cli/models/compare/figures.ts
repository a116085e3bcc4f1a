/** How near vectors of one precision come to those of another. */
export interface Fidelity {
  /** Inputs that were compared. */
  readonly inputs: number;
  /** The least and the mean cosine of an input's two vectors. */
  readonly min: number;
  readonly mean: number;
  /** Inputs whose vector is nearer to their own than to that of any other input, but for those that are nearly the same. */
  readonly found: number;
}

/** A value in the middle, and between which values the middle half lies. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

/** Inputs that are nearer to each other than this are the same picture to the model, as those of a burst are. */
const SAME = 0.95;

/**
 * Compares unit vectors by their places. Search is about the order of photos, which a cosine says little about where the vectors
 * of a model are near each other; so it is counted as well whether each input would still be found by its own.
 */
export function fidelityOf(expected: readonly Float32Array[], given: readonly Float32Array[]): Fidelity {
  const cosines = given.map((vector, place) => cosineOf(vector, expected[place] ?? vector));
  const found = given.filter((vector, place) => {
    const own = expected[place] ?? vector;
    const others = expected.filter((other) => cosineOf(own, other) < SAME);
    return others.every((other) => cosineOf(vector, other) <= (cosines[place] ?? 0));
  });
  return {
    inputs: given.length,
    min: Math.min(...cosines),
    mean: cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length,
    found: found.length,
  };
}

/** Of two unit vectors; a product may come out above 1 by a rounding. */
function cosineOf(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return Math.min(1, sum);
}

/** Median and quartiles, by linear interpolation. Of no values: NaN. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? NaN;
    return below + ((sorted[Math.ceil(place)] ?? NaN) - below) * (place % 1);
  };
  return { median: at(0.5), lower: at(0.25), upper: at(0.75) };
}

/** How many times as fast as the first the second was, round by round: what slowed both in a round doesn't count. */
export function ratioOf(reference: readonly number[], candidate: readonly number[]): Spread {
  return spreadOf(candidate.map((ms, round) => (reference[round] ?? NaN) / ms));
}
