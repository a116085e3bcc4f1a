import type { ImagePreprocess } from '../../model.js';
import type { Photo, PixelNeed } from '../task.js';
import { frameOf, type Frame } from './geometry.js';
import { resample } from './resample.js';

/**
 * The tensor that a vision graph wants: `3 x crop.height x crop.width` float32, channels first, in the order RGB.
 * Bit-equal to what the Python image processors make of the same pixels, unless the decoder has shrunk the photo.
 */
export function toTensor(photo: Photo, preprocess: ImagePreprocess): Float32Array {
  const { crop } = preprocess;
  const frame = frameOf(photo.originalWidth, photo.originalHeight, preprocess);
  const pixels = resample(photo, { ...frame, box: boxOf(photo), interpolation: preprocess.interpolation });
  const tables = normalisationTables(preprocess);
  const plane = crop.width * crop.height;
  const tensor = new Float32Array(3 * plane);
  tables.forEach((table, channel) => {
    const values = tensor.subarray(channel * plane, (channel + 1) * plane);
    // Where the crop is larger than the picture the reference pads with black pixels, not with zeros in the tensor.
    if (frame.columns * frame.rows < plane) values.fill(table[0] ?? 0);
    fillPlane(values, crop.width, pixels, channel, frame, table);
  });
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

function fillPlane(
  values: Float32Array,
  width: number,
  pixels: Uint8Array,
  channel: number,
  frame: Frame,
  table: Float32Array,
): void {
  let from = channel;
  for (let row = 0; row < frame.rows; row++) {
    const start = (frame.padTop + row) * width + frame.padLeft;
    for (let i = start; i < start + frame.columns; i++, from += 3) values[i] = table[pixels[from] ?? 0] ?? 0;
  }
}

type Normalisation = Pick<ImagePreprocess, 'rescale' | 'mean' | 'std'>;

/**
 * The tensor's value for each 8-bit value, per channel. NumPy's steps, each rounded to single precision: scale (in
 * double precision), minus the mean, over the standard deviation.
 */
function normalisationTables({ rescale, mean, std }: Normalisation): readonly Float32Array[] {
  return mean.map((channelMean, channel) => {
    const channelStd = Math.fround(std[channel] ?? 1);
    return Float32Array.from({ length: 256 }, (_, value) => {
      const centred = Math.fround(Math.fround(value * rescale) - Math.fround(channelMean));
      return centred / channelStd;
    });
  });
}
