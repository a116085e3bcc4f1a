import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openTokenizer, type Tokenizer } from '../../src/tasks/tokenizer/tokenizer.js';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

/** The tokenizers of the repository, one of each kind: byte-level BPE, WordPiece, BPE with bytes, Unigram. */
export const TOKENIZERS = {
  'clip-bpe': fixture('tokenizers/clip-bpe'),
  'bert-wordpiece': fixture('tokenizers/bert-wordpiece'),
  'gemma-bpe': fixture('tokenizers/gemma-bpe'),
  'siglip-tiny': fixture('models/siglip-tiny'),
} as const;

export type TokenizerName = keyof typeof TOKENIZERS;
export const TOKENIZER_NAMES = Object.keys(TOKENIZERS) as TokenizerName[];

/** What the Rust library makes of a text, cut to each tokenizer's length; written by tools/train-tokenizers.py. */
export interface GoldenTokens {
  readonly kind: string;
  readonly text: string;
  /** `siglip2` is `gemma-bpe`, lower-cased. */
  readonly ids: Readonly<Record<TokenizerName | 'siglip2', readonly number[]>>;
}

export const GOLDEN_TOKENS = JSON.parse(readFileSync(fixture('golden/tokens.json'), 'utf8')) as readonly GoldenTokens[];

/** Encodes to the tokenizer's own length. */
export async function openEncode(folder: string): Promise<(text: string) => readonly number[]> {
  const tokenizer: Tokenizer = await openTokenizer(folder);
  return (text) => tokenizer.encode(text, tokenizer.maxTokens ?? 77);
}

const referenceFolder = fileURLToPath(new URL('../../../shared/reference/', import.meta.url));

/** The reference set, where it lies beside the checkout; its vocabularies may not be passed on. */
export const TEXT_REFERENCE = existsSync(referenceFolder) ? referenceFolder : undefined;

export interface ReferenceText {
  readonly category: string;
  readonly text: string;
  readonly input_ids: readonly number[];
  readonly embedding?: readonly number[];
}

export function readReferenceTexts(model: string): readonly ReferenceText[] {
  const golden = readFileSync(`${TEXT_REFERENCE ?? ''}golden/${model}.json`, 'utf8');
  return (JSON.parse(golden) as { texts: readonly ReferenceText[] }).texts;
}
