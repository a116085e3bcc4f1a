import { createBeginning, joinsBackwards, type BeginningReader } from './beginning.js';
import type { TokenizerParts } from './hugging-face.js';
import { createSectioner, type Section } from './sections.js';
import { settledTokens, type WordModel } from './settled.js';

/** UTF-16 units that are looked at first; four times as many whenever they don't decide on the tokens. */
const FIRST_LENGTH = 4096;

/** A character that no vocabulary has and no merge joins. Behind a part of a word, it keeps the part from being an end. */
const SENTINEL = '\u{10FFFF}';

/**
 * Makes the function that turns a text into ids: at most `maxTokens` with the special tokens, which truncation never
 * loses. The ids are those of the whole text, however long; only as much of it is read as decides on them.
 */
export function createEncoder(parts: TokenizerParts): (text: string, maxTokens: number) => readonly number[] {
  const sectionsOf = createSectioner(parts);
  const known = knownCharacters(parts);
  const beginningOf = createBeginning(parts, known);
  const encodeWord = wordEncoder(parts, known);
  const enclosing = parts.enclose([]).length;
  // An added token that the cut halves looks like words: never more of them than it has characters.
  const openWords = Math.max(0, ...parts.addedTokens.map(({ content }) => content.length)) + 2;

  function firstTokens(read: BeginningReader, needed: number): readonly string[] {
    for (let length = FIRST_LENGTH; ; length *= 4) {
      const { text, isWhole } = read(length);
      const words = wordsOf(sectionsOf(isWhole ? text : text.slice(0, lastSafeEnd(text))), parts);
      if (isWhole) return encodeWords(words, needed);
      const tokens = encodeWords(words.slice(0, -openWords), needed);
      if (tokens.length >= needed) return tokens;
      const open = words.at(-Math.min(openWords, words.length));
      const rest = open?.isToken === false ? encodeWord(open.text, needed - tokens.length, openWords) : undefined;
      if (rest !== undefined && rest.length >= needed - tokens.length) return [...tokens, ...rest];
    }
  }

  function encodeWords(words: readonly Word[], needed: number): string[] {
    const tokens: string[] = [];
    for (const word of words) {
      if (tokens.length >= needed) break;
      if (word.isToken) tokens.push(word.text);
      else tokens.push(...(encodeWord(word.text, needed - tokens.length) ?? []));
    }
    return tokens;
  }

  return (text, maxTokens) => {
    const needed = Math.max(0, maxTokens - enclosing);
    const tokens = firstTokens(beginningOf(wellFormed(text)), needed).slice(0, needed);
    return parts
      .enclose(tokens)
      .map((token) => parts.idOf(token))
      .filter((id) => id !== undefined);
  };
}

interface Word {
  readonly text: string;
  readonly isToken: boolean;
}

function wordsOf(sections: readonly Section[], parts: TokenizerParts): readonly Word[] {
  return sections.flatMap((section): readonly Word[] => {
    if ('token' in section) return [{ text: section.token, isToken: true }];
    return parts.split(section.text, section.index).map((text) => ({ text, isToken: false }));
  });
}

/**
 * Encodes a word, or, with `open`, one of which more may follow and whose last `open` characters aren't certain: then
 * only tokens that can't change any more are answered, or undefined. A long word is not read to its end if its
 * beginning decides.
 */
function wordEncoder(
  parts: TokenizerParts,
  known: ReadonlySet<string>,
): (word: string, needed: number, open?: number) => readonly string[] | undefined {
  const sentinelTokens = parts.encodeWord(SENTINEL).length;
  const encodeStart = (symbols: readonly string[]): readonly string[] => {
    if (parts.kind === 'unigram') return parts.encodeWord(symbols.join(''));
    const tokens = parts.encodeWord(symbols.join('') + SENTINEL);
    return tokens.slice(0, tokens.length - sentinelTokens);
  };

  const model: WordModel = { encode: encodeStart, longest: parts.longestToken, isBpe: parts.kind === 'bpe' };

  return (whole, needed, open = 0) => {
    const word = parts.kind === 'unigram' ? withoutUnknownRuns(whole, known) : whole;
    const isDecidable = parts.kind === 'bpe' || parts.kind === 'unigram';
    if (isDecidable && (open > 0 || word.length > 8 * needed)) {
      // The last symbol of a whole word is special to BPE: the beginning ends before it.
      const symbols = Array.from(word).slice(0, -Math.max(open, 1));
      const settled = settledTokens(model, symbols, needed);
      if (settled !== undefined) return settled;
    }
    return open > 0 ? undefined : parts.encodeWord(word);
  };
}

/** Unigram: neighbouring characters that no token has become one unknown token, so one of them says as much as all. */
function withoutUnknownRuns(word: string, known: ReadonlySet<string>): string {
  let wasUnknown = false;
  let shortened = '';
  for (const character of word) {
    const isUnknown = !known.has(character);
    if (!isUnknown || !wasUnknown) shortened += character;
    wasUnknown = isUnknown;
  }
  return shortened;
}

/** The characters that some token has; only asked for where unknown ones are fused. */
function knownCharacters({ kind, vocabulary }: TokenizerParts): ReadonlySet<string> {
  const known = new Set<string>();
  if (kind !== 'unigram') return known;
  for (const token of vocabulary) for (const character of token) known.add(character);
  return known;
}

/** Lone halves of surrogate pairs have no UTF-8; they become the replacement character. */
function wellFormed(text: string): string {
  // Node.js has it; the types of the language level in use don't.
  return (text as string & { toWellFormed(): string }).toWellFormed();
}

/** The last place at which a text can be cut so that normalising the first part alone is the same, whatever follows. */
function lastSafeEnd(text: string): number {
  let end = text.length - 1;
  while (end > 0 && joinsBackwards(text.codePointAt(end) ?? 0)) end -= 1;
  return end;
}
