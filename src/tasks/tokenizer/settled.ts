/** How a model encodes the beginning of a word. */
export interface WordModel {
  /** Must treat its symbols as the beginning of a word, not as a whole one. */
  readonly encode: (symbols: readonly string[]) => readonly string[];
  /** The longest token, in symbols. */
  readonly longest: number;
  /** Byte-pair encoding, where neighbours alone decide on a boundary. */
  readonly isBpe: boolean;
}

/**
 * The first `needed` tokens of every word that begins with `symbols`, or undefined where what follows might change
 * them. A word of a million letters is encoded by its first few hundred, and this proves that the rest can't matter:
 *
 * 1. Where the tokens of a whole word have a boundary, those before it are the tokens of the part before it, encoded
 *    alone. (BPE: no merge ever crossed the boundary, so each side was merged without the other. Unigram: a part of
 *    the best path is the best path of that part.)
 * 2. No token is longer than `longest` symbols, so among `longest` places next to each other one is a boundary of the
 *    whole word, wherever it ends.
 * 3. So if the parts up to each of these places begin with the same tokens, the whole word does too. One token more is
 *    asked for, because the last may be fused with unknown symbols behind it.
 */
export function settledTokens(
  model: WordModel,
  symbols: readonly string[],
  needed: number,
): readonly string[] | undefined {
  for (let end = 2 * needed + model.longest; end <= symbols.length; end *= 2) {
    const tokens = agreedTokens(model, symbols.slice(0, end), needed);
    if (tokens !== undefined) return tokens;
  }
  return undefined;
}

function agreedTokens(model: WordModel, symbols: readonly string[], needed: number): readonly string[] | undefined {
  const { encode, longest } = model;
  const whole = encode(symbols);
  if (whole.length <= needed) return undefined;
  const agreed = whole.slice(0, needed);
  // By 1, the boundaries of one part's tokens are places whose tokens are known.
  const boundaries = boundariesOf(whole, symbols);
  const known = new Set(boundaries.slice(needed));
  const joint = lastJoint(whole, boundaries, needed, symbols.length - longest);
  for (let end = symbols.length - 1; end > symbols.length - longest; end -= 1) {
    if (known.has(end)) continue;
    const part = symbols.slice(0, end);
    if (joint !== undefined && isJoint(model, joint, part)) continue;
    const tokens = encode(part);
    if (tokens.length <= needed || agreed.some((token, index) => token !== tokens[index])) return undefined;
    for (const place of boundariesOf(tokens, part).slice(needed)) known.add(place);
  }
  return agreed;
}

/** A boundary of a part's tokens, and the token that ends there. */
interface Joint {
  readonly place: number;
  readonly token: string;
}

/** The last boundary up to `latest` that has the tokens that are needed before it. */
function lastJoint(
  tokens: readonly string[],
  boundaries: readonly number[],
  needed: number,
  latest: number,
): Joint | undefined {
  const index = boundaries.findLastIndex((place, at) => place <= latest && at >= needed - 1);
  const [place, token] = [boundaries[index], tokens[index]];
  return place === undefined || token === undefined ? undefined : { place, token };
}

/**
 * Whether a longer or shorter part has the boundary, too, and so, by 1, the same tokens before it; told by a few symbols
 * instead of the whole part. BPE alone: tokens that are made of what is before the boundary, and of what is behind it,
 * are those of both together if the two that meet there don't merge when they are encoded as one. For the first merge
 * across a boundary would join an end of the one with a beginning of the other, and within these two tokens all merges
 * take place in the same order, whatever stands around them.
 */
function isJoint({ encode, isBpe }: WordModel, { place, token }: Joint, part: readonly string[]): boolean {
  if (!isBpe || part.length <= place) return false;
  const [next = ''] = encode(part.slice(place));
  const [left, right, ...more] = encode(Array.from(token + next));
  return left === token && right === next && more.length === 0;
}

/** Where tokens end; nowhere where an unknown token hides how long its symbols are. */
function boundariesOf(tokens: readonly string[], symbols: readonly string[]): readonly number[] {
  if (tokens.join('') !== symbols.join('')) return [];
  let place = 0;
  return tokens.map((token) => (place += Array.from(token).length));
}
