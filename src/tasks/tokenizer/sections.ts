import type { AddedToken, TokenizerParts } from './hugging-face.js';

/** A part of a text: an added token, or normalised text between added tokens. */
export type Section = { readonly token: string } | { readonly text: string; readonly index: number };

/**
 * Finds the tokens that are written out in a text, first in the text as it came, then in the normalised text, as the
 * Rust library does: `<|endoftext|>` is the token itself, `<|ENDOFTEXT|>` is not unless the file asks for it.
 */
export function createSectioner(parts: TokenizerParts): (text: string) => readonly Section[] {
  const literal = matcherOf(parts.addedTokens.filter((token) => !token.normalized));
  const normalised = matcherOf(
    parts.addedTokens
      .filter((token) => token.normalized)
      .map((token) => ({ ...token, written: parts.normalise(token.content) })),
  );
  return (text) => {
    const sections: Section[] = [];
    let index = -1;
    for (const outer of splitAt(literal, text)) {
      index += 1;
      if ('token' in outer) {
        sections.push(outer);
        continue;
      }
      for (const inner of splitAt(normalised, parts.normalise(outer.text))) {
        sections.push('token' in inner ? inner : { text: inner.text, index });
      }
    }
    return sections;
  };
}

interface Matcher {
  /** One group per token, the longest first; undefined where there are no tokens. */
  readonly regex: RegExp | undefined;
  readonly tokens: readonly AddedToken[];
}

function matcherOf(added: readonly (AddedToken & { readonly written?: string })[]): Matcher {
  const entries = added
    .map((token) => ({ ...token, written: token.written ?? token.content }))
    .filter(({ written }) => written !== '')
    .sort((a, b) => b.written.length - a.written.length);
  if (entries.length === 0) return { regex: undefined, tokens: [] };
  const source = entries.map(({ written, single_word: isWord }) => {
    const bare = written.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    return isWord ? `(?<![\\p{L}\\p{N}_])(${bare})(?![\\p{L}\\p{N}_])` : `(${bare})`;
  });
  return { regex: new RegExp(source.join('|'), 'gu'), tokens: entries };
}

function* splitAt({ regex, tokens }: Matcher, text: string): Generator<{ token: string } | { text: string }> {
  let start = 0;
  for (const match of regex === undefined ? [] : text.matchAll(regex)) {
    const group = match.findIndex((value, place) => place > 0 && (value as string | undefined) !== undefined);
    const token = tokens[group - 1];
    if (token === undefined) continue;
    // White space is taken in loops: a regex that takes it would try every space of a long run anew.
    let [from, to] = [match.index, match.index + match[0].length];
    while (token.lstrip && from > start && isSpace(text, from - 1)) from -= 1;
    while (token.rstrip && isSpace(text, to)) to += 1;
    if (from > start) yield { text: text.slice(start, from) };
    yield { token: token.content };
    start = to;
  }
  if (start < text.length) yield { text: text.slice(start) };
}

function isSpace(text: string, index: number): boolean {
  return /^\p{White_Space}$/u.test(text.charAt(index));
}
