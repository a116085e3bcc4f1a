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
  it.each([true, false])('answers only tokens that no continuation of the word can change (BPE: %s)', (isBpe) => {
    let settled = 0;
    const seen = fc.tuple(merges, word(10, 60), word(0, 30), fc.boolean());
    fc.assert(
      fc.property(seen, ([rules, symbols, rest, isRun]) => {
        const start = isRun ? symbols.map(() => symbols[0]!) : symbols;
        const tokens = settledTokens({ encode: (part) => encode(part, rules), longest: 6, isBpe }, start, 4);
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
    expect(settledTokens({ encode: (part) => encode(part, rules), longest: 2, isBpe: true }, chain, 1)).toBeUndefined();
  });

  it('encodes a long beginning of BPE once, and else only short parts of it', () => {
    const rules: Merge[] = [
      ['a', 'a'],
      ['aa', 'aa'],
      ['aaaa', 'aaaa'],
    ];
    const lengths: number[] = [];
    const model = {
      encode: (part: readonly string[]) => {
        lengths.push(part.length);
        return encode(part, rules);
      },
      longest: 8,
      isBpe: true,
    };
    const tokens = settledTokens(model, Array<string>(4000).fill('a'), 75);
    expect(tokens).toEqual(Array<string>(75).fill('aaaaaaaa'));
    expect(lengths.filter((length) => length > 600)).toHaveLength(1);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThan(2000);
  });

  it('answers nothing for a beginning that is too short to say', () => {
    expect(settledTokens({ encode: (part) => [...part], longest: 3, isBpe: true }, ['a', 'b'], 4)).toBeUndefined();
  });
});
