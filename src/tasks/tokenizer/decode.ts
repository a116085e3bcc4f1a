import { join } from 'node:path';
import { RunnerError, coerceError } from '../../errors.js';
import { buildDecoder, type TokenizerJson } from './hugging-face.js';
import { readJson } from './json.js';

/**
 * Opens the way from ids to a sentence: `tokenizer.json` of a folder, with `tokenizer_config.json` where there is one.
 * The sentence has no special tokens and no white space around it.
 * @throws RunnerError `MODEL_INVALID` where a file is missing or broken
 */
export async function openSentenceDecoder(folder: string): Promise<(ids: readonly number[]) => string> {
  const file = join(folder, 'tokenizer.json');
  const json = await readJson(file);
  if (json === undefined)
    throw new RunnerError('MODEL_INVALID', `There is no ${file}: sentences can't be written without it.`);
  const config = (await readJson(join(folder, 'tokenizer_config.json'))) ?? {};
  try {
    const decode = await buildDecoder({ added_tokens: [], ...json } as unknown as TokenizerJson, config);
    return (ids) => decode(ids).trim();
  } catch (thrown) {
    const { message } = coerceError(thrown);
    throw new RunnerError('MODEL_INVALID', `${file} is not a tokenizer that can be used: ${message}`, {
      cause: thrown,
    });
  }
}
