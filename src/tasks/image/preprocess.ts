import type { ImagePreprocess } from '../../model.js';
import type { Photo, PixelNeed } from '../task.js';
import { frameOf, type Frame } from './geometry.js';
import { resample } from './resample.js';

/**
 * The tensor that a vision graph wants: `3 x crop.height x crop.width` float32, channels first, in the order RGB.
 * Bit-equal to what the Python image processors make of the same pixels, unless the decoder has shrunk the photo. Made from
 * `Photo.reduced` where there is one.
 */
export function toTensor(decoded: Photo, preprocess: ImagePreprocess): Float32Array {
  const photo = decoded.reduced ?? decoded;
  const { crop } = preprocess;
  const frame = frameOf(photo.originalWidth, photo.originalHeight, preprocess);
  const pixels = resample(photo, { ...frame, box: boxOf(photo), interpolation: preprocess.interpolation });
  const tables = normalisationTables(preprocess);
  const tensor = new Float32Array(3 * crop.width * crop.height);
  // Where the crop is larger than the picture the reference pads with black pixels, not with zeros in the tensor.
  if (frame.columns < crop.width || frame.rows < crop.height) fillBlack(tensor, tables);
  writePlanes(tensor, crop, pixels, frame, tables);
  return tensor;
}

/** How much of a picture `toTensor` needs to see, for the decoder. */
export function pixelNeedOf({ mode, size, crop }: ImagePreprocess): PixelNeed {
  return mode === 'squash' ? { ...crop, mode } : { width: size, height: size, mode };
}

/** The whole original in the pixels of the photo; reaches past them where the decoder left out a few columns. */
function boxOf(photo: Photo): { left: number; top: number; width: number; height: number } {
  const { originalWidth, originalHeight } = photo;
  const shown = photo.region ?? { left: 0, top: 0, width: originalWidth, height: originalHeight };
  const across = photo.width / shown.width;
  const down = photo.height / shown.height;
  return {
    left: -shown.left * across,
    top: -shown.top * down,
    width: originalWidth * across,
    height: originalHeight * down,
  };
}

type Tables = readonly [Float32Array, Float32Array, Float32Array];

function fillBlack(tensor: Float32Array, tables: Tables): void {
  const plane = tensor.length / 3;
  tables.forEach((table, channel) => tensor.fill(table[0] as number, channel * plane, (channel + 1) * plane));
}

/** Runs over 150,000 values per photo and model, hence the plain loop; all indices lie inside by construction. */
function writePlanes(
  tensor: Float32Array,
  crop: ImagePreprocess['crop'],
  pixels: Uint8Array,
  frame: Frame,
  [red, green, blue]: Tables,
): void {
  const plane = crop.width * crop.height;
  let from = 0;
  for (let row = 0; row < frame.rows; row++) {
    const start = (frame.padTop + row) * crop.width + frame.padLeft;
    for (let i = start; i < start + frame.columns; i++, from += 3) {
      tensor[i] = red[pixels[from] as number] as number;
      tensor[plane + i] = green[pixels[from + 1] as number] as number;
      tensor[2 * plane + i] = blue[pixels[from + 2] as number] as number;
    }
  }
}

type Normalisation = Pick<ImagePreprocess, 'rescale' | 'mean' | 'std'>;

/**
 * The tensor's value for each 8-bit value, per channel. NumPy's steps, each rounded to single precision: scale (in
 * double precision), minus the mean, over the standard deviation.
 */
function normalisationTables({ rescale, mean, std }: Normalisation): Tables {
  const tableOf = (channel: 0 | 1 | 2): Float32Array => {
    const channelMean = Math.fround(mean[channel]);
    const channelStd = Math.fround(std[channel]);
    // The array itself rounds the quotient.
    return Float32Array.from(
      { length: 256 },
      (_, value) => Math.fround(Math.fround(value * rescale) - channelMean) / channelStd,
    );
  };
  return [tableOf(0), tableOf(1), tableOf(2)];
}
