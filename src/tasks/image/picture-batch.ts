import type { ImagePreprocess } from '../../model.js';

/** What a vision graph wants of pictures. */
export interface PictureBatch {
  /** Numbers of a picture in a batch: `3 * crop.height * crop.width`. */
  readonly stride: number;
  /**
   * The pixels of `cropPixels()` as one tensor: `rows x 3 x crop.height x crop.width` float32, channels first, in the order
   * RGB, normalised as NumPy does it. Rows without a picture are zeros. @default rows pictures.length
   */
  join(pictures: readonly Uint8Array[], rows?: number): Float32Array;
}

/** For the pictures of one model. */
export function pictureBatch(preprocess: ImagePreprocess): PictureBatch {
  const { width, height } = preprocess.crop;
  const tables = normalisationTables(preprocess);
  const stride = 3 * width * height;
  return {
    stride,
    join(pictures, rows = pictures.length) {
      const batch = new Float32Array(rows * stride);
      pictures.forEach((pixels, row) => writePlanes(batch.subarray(row * stride, (row + 1) * stride), pixels, tables));
      return batch;
    },
  };
}

type Tables = readonly [Float32Array, Float32Array, Float32Array];

/** Runs over 150,000 values per photo and model, hence the plain loop; all indices lie inside by construction. */
function writePlanes(tensor: Float32Array, pixels: Uint8Array, [red, green, blue]: Tables): void {
  const plane = tensor.length / 3;
  for (let i = 0, from = 0; i < plane; i++, from += 3) {
    tensor[i] = red[pixels[from] as number] as number;
    tensor[plane + i] = green[pixels[from + 1] as number] as number;
    tensor[2 * plane + i] = blue[pixels[from + 2] as number] as number;
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
