import { valueAt } from './json.js';

/**
 * What a model's own library does to a text that `tokenizer.json` doesn't say:
 * - `lowercase`: SigLIP. Its texts were lower-cased in training; the tokenizer of SigLIP 2 (Gemma's) leaves case alone,
 *   and transformers lower-cases before it (`Siglip2Tokenizer`).
 * - `canonical`: open_clip's `clean: "canonicalize"`. Underscores become spaces, ASCII punctuation goes, lower case.
 * - `whitespace`: open_clip's usual cleaning: runs of white space become one space. Its mending of broken encodings and
 *   HTML entities is left out.
 * - `none`: everything else.
 */
export type TextCleaning = 'none' | 'lowercase' | 'whitespace' | 'canonical';

const SIGLIP_TYPES: readonly unknown[] = ['siglip', 'siglip2'];

/** Whether a model's `config.json` is that of a SigLIP of either version, as transformers writes it. */
export function isSiglip(config: unknown): boolean {
  return SIGLIP_TYPES.includes(valueAt(config, 'model_type'));
}

/** Reads the cleaning from a model's `config.json`, of transformers or of open_clip. */
export function readCleaning(config: unknown): TextCleaning {
  if (isSiglip(config)) return 'lowercase';
  if (valueAt(config, 'text_cfg') === undefined) return 'none';
  return valueAt(config, 'text_cfg', 'tokenizer_kwargs', 'clean') === 'canonicalize' ? 'canonical' : 'whitespace';
}

const PUNCTUATION = /[!-/:-@[-`{-~]/g;
/** White space as Python's `str.split()` knows it. */
const SPACES = /[\p{White_Space}\u001c-\u001f]+/gu;

/** The text as its tokenizer is to get it; `lowercase` is left to the tokenizer, which knows its special tokens. */
export function cleanText(text: string, cleaning: TextCleaning): string {
  if (cleaning === 'none' || cleaning === 'lowercase') return text;
  const bare = cleaning === 'canonical' ? text.replaceAll('_', ' ').replace(PUNCTUATION, '').toLowerCase() : text;
  return bare.replace(SPACES, ' ').replace(/^ | $/g, '');
}
