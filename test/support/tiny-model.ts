import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A whole SigLIP of random weights, small enough for the repository. */
export const TINY_MODEL_FOLDER = fileURLToPath(new URL('../fixtures/models/siglip-tiny/', import.meta.url));

const FILES = [
  'config.json',
  'preprocessor_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'onnx/text_model.onnx',
  'onnx/vision_model.onnx',
] as const;

export type TinyFiles = Record<(typeof FILES)[number], Buffer>;

/** Its files by relative path, read anew. */
export function readTinyModel(): TinyFiles {
  return Object.fromEntries(FILES.map((path) => [path, readFileSync(`${TINY_MODEL_FOLDER}${path}`)])) as TinyFiles;
}
