import type { TokenizerParts } from './hugging-face.js';
import { createSectioner, type Section } from './sections.js';
import { settledTokens, type WordModel } from './settled.js';

/** UTF-16 units that are looked at first; four times as many whenever they don't decide on the tokens. */
const FIRST_LENGTH = 4096;

/** A character that no vocabulary has and no merge joins. Behind a part of a word, it keeps the part from being an end. */
const SENTINEL = '\u{10FFFF}';

/** Characters that may join with the one before them when a text is normalised; half a pair belongs to the other half. */
const JOINS_BACKWARDS = /^[\p{M}\u1160-\u11ff\uff9e\uff9f\udc00-\udfff]/u;

/**
 * Marks without a character between them: ordering them takes time by the square of their number. So many are kept,
 * which are more tokens than any model takes, a word too long to be known, or nothing where marks are dropped.
 */
const MOST_MARKS = 1024;
const MARK_RUNS = new RegExp(`([\\p{M}\\u1160-\\u11ff]{${MOST_MARKS}})[\\p{M}\\u1160-\\u11ff]+`, 'gu');

/**
 * Makes the function that turns a text into ids: at most `maxTokens` with the special tokens, which truncation never
 * loses. The ids are those of the whole text, however long; only as much of it is read as decides on them.
 */
export function createEncoder(parts: TokenizerParts): (text: string, maxTokens: number) => readonly number[] {
  const sectionsOf = createSectioner(parts);
  const known = knownCharacters(parts);
  const encodeWord = wordEncoder(parts, known);
  const enclosing = parts.enclose([]).length;
  // An added token that the cut halves looks like words: never more of them than it has characters.
  const openWords = Math.max(0, ...parts.addedTokens.map(({ content }) => content.length)) + 2;

  function firstTokens(text: string, needed: number): readonly string[] {
    for (let length = FIRST_LENGTH; ; length *= 4) {
      const end = safeEnd(text, length);
      const words = wordsOf(sectionsOf(text.slice(0, end)), parts);
      if (end === text.length) return encodeWords(words, needed);
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
    const tokens = firstTokens(
      shortenRuns(wellFormed(text).replace(MARK_RUNS, '$1'), parts, known, needed),
      needed,
    ).slice(0, needed);
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

/** Shortens runs in a text, before anything else is done with it, in ways that can't change its first `needed` tokens. */
function shortenRuns(text: string, parts: TokenizerParts, known: ReadonlySet<string>, needed: number): string {
  if (parts.kind === 'wordpiece') return shortenWordPieceRuns(text, Math.max(needed, parts.maxWordChars) + 1);
  return parts.kind === 'unigram' ? shortenUnknownRuns(text, parts, known) : text;
}

/**
 * WordPiece: a run of one character, or of letters with a case, needs no more than `needed` or one above the longest
 * word of them. Letters make a word too long to be known either way; punctuation and Chinese characters are a token
 * each; white space is one space; what is dropped is dropped.
 */
function shortenWordPieceRuns(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const runs = new RegExp(`((.)\\2{${longest - 1}})\\2+|([\\p{Ll}\\p{Lu}]{${longest}})[\\p{Ll}\\p{Lu}]+`, 'gsu');
  return text.replace(runs, '$1$3');
}

/** Unigram: a run of one character that is unknown or dropped is one unknown token, or nothing, however long it is. */
function shortenUnknownRuns(text: string, parts: TokenizerParts, known: ReadonlySet<string>): string {
  return text.replace(/(.)\1{63,}/gsu, (run, character: string) => {
    // Several, because the first and the last may join with their neighbours.
    const some = character.repeat(8);
    const isUnknown = (one: string): boolean => !known.has(one) && !/\s/u.test(one);
    return Array.from(parts.normalise(some)).every(isUnknown) && !/\s/u.test(character) ? some : run;
  });
}

/** Lone halves of surrogate pairs have no UTF-8; they become the replacement character. */
function wellFormed(text: string): string {
  // Node.js has it; the types of the language level in use don't.
  return (text as string & { toWellFormed(): string }).toWellFormed();
}

/** The first place from `length` on at which a text can be cut so that normalising the first part alone is the same. */
function safeEnd(text: string, length: number): number {
  for (let end = length; end < text.length; end += 1) {
    const next = String.fromCodePoint(text.codePointAt(end) ?? 0);
    // Within a run of one mark nothing is joined any more but at its beginning.
    if (!JOINS_BACKWARDS.test(next) || text.startsWith(next.repeat(4), end - 4 * next.length)) return end;
  }
  return text.length;
}
