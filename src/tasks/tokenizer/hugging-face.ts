import { mendNormaliser, mendPreTokenizer, type Step } from './mend.js';

/** A token that stands in texts as it is written, such as `<|endoftext|>`. */
export interface AddedToken {
  readonly content: string;
  /** Looked for in the normalised text, in its own normalised form. */
  readonly normalized: boolean;
  /** Takes the white space before, or behind, with it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
}

/** `tokenizer.json`, as far as it is read here. */
export interface TokenizerJson {
  readonly normalizer: Step | null;
  readonly pre_tokenizer: Step | null;
  readonly added_tokens: readonly AddedToken[];
  readonly model: {
    readonly type?: string;
    readonly end_of_word_suffix?: string | null;
    readonly max_input_chars_per_word?: number;
  };
}

/** The steps of a tokenizer, one by one: what lies between them is where long texts are cut. */
export interface TokenizerParts {
  readonly kind: 'bpe' | 'wordpiece' | 'unigram' | 'other';
  readonly addedTokens: readonly AddedToken[];
  /** The longest token of the vocabulary, in characters as the model sees them. */
  readonly longestToken: number;
  /** WordPiece: a longer word is one unknown token. */
  readonly maxWordChars: number;
  readonly vocabulary: readonly string[];
  /** The largest id of the vocabulary. */
  readonly largestId: number;
  normalise(text: string): string;
  /** The words that the model is given, each on its own. `section` counts the parts between added tokens. */
  split(text: string, section: number): readonly string[];
  /** At least one token per word. */
  encodeWord(word: string): readonly string[];
  /** Puts the tokens between those that begin and end every text. */
  enclose(tokens: readonly string[]): readonly string[];
  /** Undefined for a token that is not in a vocabulary without a token for the unknown. */
  idOf(token: string): number | undefined;
}

/** The steps inside a tokenizer of the library that transformers.js tokenizes with; as far as they are used here. */
interface LibraryTokenizer {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string, options: { section_index: number }): string[] } | null;
  /** `_call` is `encode`, with neighbouring unknown tokens fused where the model asks for it. */
  readonly model: { _call(words: string[]): string[]; readonly unk_token_id?: number } | null;
  readonly post_processor: { post_process(tokens: string[], pair: null, special: true): { tokens: string[] } } | null;
  token_to_id(token: string): number | undefined;
  get_vocab(withAddedTokens: boolean): Map<string, number>;
  decode(ids: readonly number[], options: { skip_special_tokens: boolean }): string;
}

/** The library's own declarations don't resolve in a package of ES modules. */
interface Library {
  readonly Tokenizer: new (json: object, config: object) => LibraryTokenizer;
}

/** Loaded with the first call, and only in the threads that read texts or write them. */
async function openTokenizer(json: object, config: object): Promise<LibraryTokenizer> {
  const { Tokenizer } = (await import('@huggingface/tokenizers')) as unknown as Library;
  return new Tokenizer(json, config);
}

/**
 * Builds a tokenizer from the content of its two files. The library is handed content, never a name, so it can't touch
 * the network.
 * @throws Error of the library where it doesn't know a step of the file
 */
export async function buildParts(
  json: TokenizerJson,
  config: Readonly<Record<string, unknown>>,
): Promise<TokenizerParts> {
  const mended = {
    ...json,
    normalizer: mendNormaliser(json.normalizer),
    pre_tokenizer: mendPreTokenizer(json.pre_tokenizer),
  };
  const tokenizer = await openTokenizer(mended, config);
  const { normalizer, pre_tokenizer: preTokenizer, model, post_processor: postProcessor } = tokenizer;
  if (model === null) throw new Error('the file has no model');
  const ids = tokenizer.get_vocab(false);
  const vocabulary = [...ids.keys()];
  const suffix = json.model.end_of_word_suffix ?? '';
  return {
    kind: kindOf(json.model.type),
    addedTokens: json.added_tokens,
    longestToken: longest(vocabulary, suffix),
    maxWordChars: json.model.max_input_chars_per_word ?? 100,
    vocabulary,
    largestId: [...ids.values()].reduce((largest, id) => Math.max(largest, id), -1),
    normalise: (text) => (normalizer === null ? text : normalizer.normalize(text)),
    split: (text, section) => preTokenizer?.pre_tokenize(text, { section_index: section }) ?? [text],
    encodeWord: (word) => model._call([word]),
    enclose: (tokens) => postProcessor?.post_process([...tokens], null, true).tokens ?? tokens,
    idOf: (token) => tokenizer.token_to_id(token) ?? model.unk_token_id,
  };
}

function kindOf(type: string | undefined): TokenizerParts['kind'] {
  if (type === 'BPE') return 'bpe';
  if (type === 'WordPiece') return 'wordpiece';
  return type === 'Unigram' ? 'unigram' : 'other';
}

function longest(vocabulary: readonly string[], suffix: string): number {
  let length = 1;
  for (const token of vocabulary) {
    const bare = suffix !== '' && token.endsWith(suffix) ? token.slice(0, -suffix.length) : token;
    // Code points are fewer than UTF-16 units, so that most tokens need not be counted.
    if (bare.length > length) length = Math.max(length, Array.from(bare).length);
  }
  return length;
}

/**
 * The way back: ids become a text, special tokens left out, as Python's `decode(ids, skip_special_tokens=True)`. Ids
 * beyond the vocabulary are left out, too.
 * @throws Error of the library where it doesn't know a step of the file
 */
export async function buildDecoder(
  json: TokenizerJson,
  config: Readonly<Record<string, unknown>>,
): Promise<(ids: readonly number[]) => string> {
  const tokenizer = await openTokenizer(json, config);
  const known = new Set(tokenizer.get_vocab(true).values());
  return (ids) => {
    const own = ids.filter((id) => known.has(id));
    return own.length === 0 ? '' : tokenizer.decode(own, { skip_special_tokens: true });
  };
}
