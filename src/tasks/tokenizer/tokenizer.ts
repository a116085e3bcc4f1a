import { join } from 'node:path';
import { RunnerError, coerceError } from '../../errors.js';
import { cleanText, readCleaning } from './cleaning.js';
import { createEncoder } from './encode.js';
import { buildParts, type TokenizerJson, type TokenizerParts } from './hugging-face.js';
import { isObject, readJson, valueAt, type Json } from './json.js';
import type { Step } from './mend.js';

/** Turns texts into the ids that a text graph was trained with. */
export interface Tokenizer {
  /** The most tokens that its files allow for one text; undefined where they don't say. */
  readonly maxTokens: number | undefined;
  /** The id that fills up a text that is shorter than the graph's sequence. */
  readonly padId: number;
  /** The largest id of its vocabulary, tokens that were added to it later left out. */
  readonly largestId: number;
  /**
   * At most `maxTokens` ids, the special ones included, which a longer text keeps. Takes time by what decides on these
   * tokens, not by the length of the text. Lone surrogates count as U+FFFD.
   */
  encode(text: string, maxTokens: number): readonly number[];
}

/** Some configurations say "no limit" with a number like 1e30. */
const NO_LIMIT = 1_000_000;

/**
 * Opens the tokenizer of a folder: `tokenizer.json`, with `tokenizer_config.json` where there is one. The model's own
 * `config.json` says what is done to a text before.
 * @throws RunnerError `MODEL_INVALID` where a file is missing, broken, or has a step that isn't known.
 */
export async function openTokenizer(folder: string, modelConfig?: Json): Promise<Tokenizer> {
  const file = join(folder, 'tokenizer.json');
  const json = await readJson(file);
  if (json === undefined)
    throw new RunnerError('MODEL_INVALID', `There is no ${file}: texts can't be read without it.`);
  const config = (await readJson(join(folder, 'tokenizer_config.json'))) ?? {};
  const cleaning = readCleaning(modelConfig);
  let parts: TokenizerParts;
  try {
    const whole = { added_tokens: [], ...json } as unknown as TokenizerJson;
    parts = await buildParts(cleaning === 'lowercase' ? lowerCased(whole) : whole, config);
  } catch (thrown) {
    const { message } = coerceError(thrown);
    throw new RunnerError('MODEL_INVALID', `${file} is not a tokenizer that can be used: ${message}`, {
      cause: thrown,
    });
  }
  const encode = createEncoder(parts);
  return {
    maxTokens: limitOf(json, config),
    padId: padIdOf(json, config, parts),
    largestId: parts.largestId,
    encode: (text, maxTokens) => encode(cleanText(text, cleaning), maxTokens),
  };
}

/** Inside the tokenizer, special tokens that a text spells out are told apart before it is lower-cased. */
function lowerCased(json: TokenizerJson): TokenizerJson {
  const steps: readonly (Step | null)[] = [{ type: 'Lowercase' }, json.normalizer];
  return { ...json, normalizer: { type: 'Sequence', normalizers: steps.filter((step) => step !== null) } };
}

/** The least of the positive whole numbers below "no limit" among values that may be anything. */
export function leastLimit(values: readonly unknown[]): number | undefined {
  const limits = values.filter((value): value is number => Number.isSafeInteger(value) && (value as number) > 0);
  const least = Math.min(...limits);
  return least < NO_LIMIT ? least : undefined;
}

function limitOf(json: Json, config: Json): number | undefined {
  return leastLimit([
    config['model_max_length'],
    valueAt(json, 'truncation', 'max_length'),
    valueAt(json, 'padding', 'strategy', 'Fixed'),
  ]);
}

function padIdOf(json: Json, config: Json, parts: TokenizerParts): number {
  const written = valueAt(json, 'padding', 'pad_id');
  if (typeof written === 'number') return written;
  const token = contentOf(config['pad_token']) ?? contentOf(config['eos_token']);
  return (token === undefined ? undefined : parts.idOf(token)) ?? 0;
}

/** A special token in a configuration is its text, or an object with it. */
function contentOf(token: unknown): string | undefined {
  const content = isObject(token) ? token['content'] : token;
  return typeof content === 'string' ? content : undefined;
}
