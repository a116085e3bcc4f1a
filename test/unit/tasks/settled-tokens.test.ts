import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settledTokens } from '../../../src/tasks/tokenizer/settled.js';

type Merge = readonly [string, string];

/** Byte-pair encoding as it is defined: one merge after the other, each from left to right. Slow, and plain to see. */
function encode(symbols: readonly string[], merges: readonly Merge[]): string[] {
  let tokens = [...symbols];
  for (const [left, right] of merges) {
    const next: string[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const isPair = tokens[i] === left && tokens[i + 1] === right;
      next.push(isPair ? left + right : tokens[i]!);
      if (isPair) i += 1;
    }
    tokens = next;
  }
  return tokens;
}

const letters = fc.constantFrom('a', 'b', 'c');
const word = (minLength: number, maxLength: number): fc.Arbitrary<string[]> =>
  fc.array(letters, { minLength, maxLength });

/** Merges as training makes them: each joins two tokens that exist by then. */
const merges = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 }).map((picks) => {
  const tokens = ['a', 'b', 'c'];
  const made: Merge[] = [];
  for (const [left, right] of picks) {
    const pair: Merge = [tokens[left % tokens.length]!, tokens[right % tokens.length]!];
    if (pair.join('').length > 6 || tokens.includes(pair.join(''))) continue;
    made.push(pair);
    tokens.push(pair.join(''));
  }
  return made;
});

describe('settledTokens', () => {
  it('answers only tokens that no continuation of the word can change', () => {
    let settled = 0;
    const seen = fc.tuple(merges, word(10, 60), word(0, 30), fc.boolean());
    fc.assert(
      fc.property(seen, ([rules, symbols, rest, isRun]) => {
        const start = isRun ? symbols.map(() => symbols[0]!) : symbols;
        const tokens = settledTokens((part) => encode(part, rules), start, 6, 4);
        if (tokens === undefined) return;
        settled += 1;
        expect(encode([...start, ...rest], rules).slice(0, 4)).toEqual(tokens);
        expect(encode([...start, ...start, ...rest], rules).slice(0, 4)).toEqual(tokens);
      }),
      { numRuns: 3000, seed: 84 },
    );
    // Most beginnings do decide; else nothing was tested.
    expect(settled).toBeGreaterThan(1000);
  });

  it('answers nothing where the end of the word decides on its beginning', () => {
    // Tokens are paired from the right: "ab" is made only where no "bc" follows, and so on along the chain.
    const rules: Merge[] = [
      ['e', 'f'],
      ['d', 'e'],
      ['c', 'd'],
      ['b', 'c'],
      ['a', 'b'],
    ];
    const chain = ['a', 'b', 'c', 'd', 'e'];
    expect(encode([...chain], rules)).not.toEqual(encode([...chain, 'f'], rules).slice(0, 3));
    expect(settledTokens((part) => encode(part, rules), chain, 2, 1)).toBeUndefined();
  });

  it('answers nothing for a beginning that is too short to say', () => {
    expect(settledTokens((part) => [...part], ['a', 'b'], 3, 4)).toBeUndefined();
  });
});
