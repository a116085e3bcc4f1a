import type { ImagePreprocess } from '../model.js';
import { isSide, MAX_SIDE, type ConfigReader, type Triple } from './config-reader.js';

/** Mean and standard deviation that CLIP was trained with; open_clip's and Hugging Face's default for it. */
export const CLIP_MEAN: Triple = [0.48145466, 0.4578275, 0.40821073];
export const CLIP_STD: Triple = [0.26862954, 0.26130258, 0.27577711];

/**
 * Reads open_clip's `preprocess_cfg`; missing keys take open_clip's defaults.
 * @throws RunnerError `MODEL_INVALID`
 */
export function readOpenClipPreprocess(config: ConfigReader): ImagePreprocess {
  const crop = readSize(config);
  const mode = config.text('resize_mode', 'shortest');
  if (mode !== 'shortest' && mode !== 'squash') {
    // `longest` pads to a square, which no stage after this one can do.
    throw config.wrong('resize_mode', '"shortest" or "squash" (pictures can\'t be padded)');
  }
  if (mode === 'shortest' && crop.width !== crop.height)
    throw config.wrong('size', 'square where "resize_mode" is "shortest"');
  if (config.text('mode', 'RGB') !== 'RGB') throw config.wrong('mode', '"RGB"');
  const interpolation = config.text('interpolation', 'bicubic');
  if (interpolation !== 'bicubic' && interpolation !== 'bilinear')
    throw config.wrong('interpolation', '"bicubic" or "bilinear"');
  // `fill_color` is the colour of padding, and nothing is padded here.

  return {
    mode,
    size: Math.min(crop.width, crop.height),
    crop,
    interpolation,
    rescale: 1 / 255,
    mean: config.triple('mean', CLIP_MEAN, 'finite', () => true),
    std: config.triple('std', CLIP_STD, 'above 0', (value) => value > 0),
  };
}

/** A number, or `[height, width]`. */
function readSize(config: ConfigReader): { readonly width: number; readonly height: number } {
  const size = config.value('size') ?? 224;
  if (isSide(size)) return { width: size, height: size };
  if (Array.isArray(size) && size.length === 2 && size.every(isSide)) {
    const [height = 0, width = 0] = size;
    return { width, height };
  }
  throw config.wrong('size', `a whole number from 1 to ${MAX_SIDE}, or two of them`);
}
