import { basename } from 'node:path';
import type { ImagePreprocess } from '../model.js';
import { readConfig } from './config-reader.js';
import { readHuggingFacePreprocess } from './preprocess-hugging-face.js';
import { readOpenClipPreprocess } from './preprocess-open-clip.js';

/**
 * Reads how a model wants its pictures from the model's own file: Hugging Face's `preprocessor_config.json` (or the
 * `image_processor` of `processor_config.json`) or open_clip's `preprocess_cfg.json` (or the `preprocess_cfg` of
 * `open_clip_config.json`). The file's name says which; nothing is guessed from the model's name.
 * @throws RunnerError `MODEL_INVALID` with the key, what was expected and what came
 */
export function parsePreprocess(file: string, text: string): ImagePreprocess {
  const config = readConfig(file, text);
  switch (basename(file)) {
    case 'preprocess_cfg.json':
      return readOpenClipPreprocess(config);
    case 'open_clip_config.json':
      return readOpenClipPreprocess(config.section('preprocess_cfg'));
    case 'processor_config.json':
      return readHuggingFacePreprocess(config.section('image_processor'));
    default:
      return readHuggingFacePreprocess(config);
  }
}
