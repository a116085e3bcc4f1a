import type { TokenizerParts } from './hugging-face.js';

/** Characters that may join with the one before them when a text is normalised; half a pair belongs to the other half. */
const JOINS_BACKWARDS = /^[\p{M}\u1160-\u11ff\uff9e\uff9f\udc00-\udfff]/u;

/**
 * Marks without a character between them: ordering them takes time by the square of their number. So many are kept,
 * which are more tokens than any model takes, a word too long to be known, or nothing where marks are dropped.
 */
const MOST_MARKS = 1024;

/** So many different characters of a text are tried, more than a text in any alphabet has; further ones are kept. */
const MOST_TRIED = 1024;

/**
 * What many characters in a row do to the tokens of a text:
 * - `counts`: each may add tokens, so all are kept.
 * - `dropped`: the normaliser drops them.
 * - `space`: they part words, and leave nothing.
 * - `fused`: together they are one token. Unigram: no token has them. WordPiece: a word that is too long is unknown.
 */
type Effect = 'counts' | 'dropped' | 'space' | 'fused';

/** `joins`: whether the character may become one with the one before it. */
type EffectFinder = (character: string, joins: boolean) => Effect;

/** The beginning of a text, with its runs shortened. */
interface Beginning {
  readonly text: string;
  /** Whether the text ends here. */
  readonly isWhole: boolean;
}

/** Answers `length` UTF-16 units or a few more, less where the text ends; what it answered before, and what follows. */
export type BeginningReader = (length: number) => Beginning;

/**
 * Makes the function that reads texts from the beginning on, only as far as it is asked to, and leaves out what can't
 * change their tokens: most of a run of characters with the same effect, of which a million say no more than a few. What
 * effect a character has is tried, not known: it is put between two letters and tokenised.
 *
 * The last one of a run stays, because what comes next may look at it.
 */
export function createBeginning(parts: TokenizerParts, known: ReadonlySet<string>): (text: string) => BeginningReader {
  const tryOut = effectFinder(parts, known);
  // An added token may begin before a run and reach into it.
  const few = 8 + Math.max(0, ...parts.addedTokens.map(({ content }) => content.length));
  const fused = parts.kind === 'wordpiece' ? Math.max(few, parts.maxWordChars + 1) : few;
  const most: Readonly<Record<Effect, number>> = { counts: Infinity, dropped: few, space: few, fused };
  return (text) => readerOf(text, createFilter(tryOut, most));
}

/** Whether a character may become one with the character before it. */
export function joinsBackwards(code: number): boolean {
  return code >= 0x300 && JOINS_BACKWARDS.test(String.fromCodePoint(code));
}

function readerOf(text: string, isKept: (code: number) => boolean): BeginningReader {
  let kept = '';
  let [at, previous] = [0, 0];
  // Where what is kept besides begins; undefined while characters are left out.
  let from: number | undefined = 0;
  return (length) => {
    while (at < text.length && kept.length + at - (from ?? at) < length) {
      const code = text.codePointAt(at) ?? 0;
      if (isKept(code)) {
        from ??= previous;
      } else if (from !== undefined) {
        kept += text.slice(from, at);
        from = undefined;
      }
      previous = at;
      at += code > 0xffff ? 2 : 1;
    }
    const isWhole = at === text.length;
    return { text: kept + text.slice(from ?? (isWhole ? previous : at), at), isWhole };
  };
}

/** The function that is told the characters of one text in turn, and says which are kept. */
function createFilter(tryOut: EffectFinder, most: Readonly<Record<Effect, number>>): (code: number) => boolean {
  const tried = new Map<number, { readonly effect: Effect; readonly isJoining: boolean }>();
  const untried = { effect: 'counts', isJoining: false } as const;
  let run: Effect = 'counts';
  let [size, dropped, marks] = [0, 0, 0];
  return (code) => {
    let found = tried.get(code);
    if (found === undefined && tried.size < MOST_TRIED) {
      const isJoining = joinsBackwards(code);
      found = { effect: tryOut(String.fromCodePoint(code), isJoining), isJoining };
      tried.set(code, found);
    }
    const { effect, isJoining } = found ?? untried;
    if (effect === 'dropped') return (dropped += 1) <= most.dropped && size <= most[run];
    dropped = 0;
    if (effect !== run) [run, size] = [effect, 0];
    // What joins with the character before it may be none of its own in the end, and is not counted as one.
    if (isJoining) marks += 1;
    else [marks, size] = [0, size + 1];
    return marks <= MOST_MARKS && size <= most[run];
  };
}

function effectFinder(parts: TokenizerParts, known: ReadonlySet<string>): EffectFinder {
  const { kind } = parts;
  const normalise = (text: string): string => parts.normalise(text);
  const wordsOf = (text: string): readonly string[] => parts.split(normalise(text), 0);
  const isSame = (one: string, other: string): boolean => wordsOf(one).join('\n') === wordsOf(other).join('\n');
  const isSpace = (character: string): boolean =>
    /\p{White_Space}/u.test(character) &&
    [`x${character}x`, `x${character} ${character}x`].every((text) => isSame(text, 'x x')) &&
    wordsOf('x x').length === 2;
  const firstOf = (text: string): string | undefined => Array.from(text)[0];
  const beginnings = parts.addedTokens.flatMap(({ content }) => [firstOf(content), firstOf(normalise(content))]);
  return (character, joins) => {
    const normal = normalise(character);
    const twice = character + character;
    // An added token may begin with it.
    if ([character, ...Array.from(normal)].some((one) => beginnings.includes(one))) return 'counts';
    if (normal === '' && normalise(`x${twice}x`) === normalise('xx')) return 'dropped';
    if (isSpace(character)) return 'space';
    const isOneWord = wordsOf(`x${twice}x`).length === 1;
    // Two that are unknown may join into one that is known.
    const isUnknown = !joins && Array.from(normalise(twice)).every((one) => !known.has(one));
    const isFused = kind === 'wordpiece' || (kind === 'unigram' && isUnknown);
    return isOneWord && isFused ? 'fused' : 'counts';
  };
}
