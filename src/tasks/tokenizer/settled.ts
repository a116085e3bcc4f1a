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
 *
 * `encode` must treat its symbols as the beginning of a word, not as a whole one.
 */
export function settledTokens(
  encode: (symbols: readonly string[]) => readonly string[],
  symbols: readonly string[],
  longest: number,
  needed: number,
): readonly string[] | undefined {
  for (let end = 2 * needed + longest; end <= symbols.length; end *= 2) {
    const tokens = agreedTokens(encode, symbols.slice(0, end), longest, needed);
    if (tokens !== undefined) return tokens;
  }
  return undefined;
}

function agreedTokens(
  encode: (symbols: readonly string[]) => readonly string[],
  symbols: readonly string[],
  longest: number,
  needed: number,
): readonly string[] | undefined {
  let agreed: readonly string[] | undefined;
  // By 1, the boundaries of one part's tokens are places whose tokens are known.
  const known = new Set<number>();
  for (let end = symbols.length; end > symbols.length - longest; end -= 1) {
    if (known.has(end)) continue;
    const part = symbols.slice(0, end);
    const tokens = encode(part);
    if (tokens.length <= needed) return undefined;
    agreed ??= tokens.slice(0, needed);
    if (agreed.some((token, index) => token !== tokens[index])) return undefined;
    for (const place of boundariesOf(tokens, part, needed)) known.add(place);
  }
  return agreed;
}

/** Where tokens end, but for the first `needed`; none where an unknown token hides how long its symbols are. */
function boundariesOf(tokens: readonly string[], symbols: readonly string[], needed: number): readonly number[] {
  if (tokens.join('') !== symbols.join('')) return [];
  let place = 0;
  return tokens.map((token) => (place += Array.from(token).length)).slice(needed);
}
