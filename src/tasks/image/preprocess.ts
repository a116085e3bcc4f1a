import type { ImagePreprocess } from '../../model.js';
import type { Photo, PixelNeed } from '../task.js';
import { frameOf, type Frame } from './geometry.js';
import { resample } from './resample.js';

/**
 * The pixels that a vision graph looks at: `crop.height x crop.width x 3` bytes, RGB. Bit-equal to what the Python image
 * processors make of the same pixels before they normalise them, unless the decoder has shrunk the photo. Made from
 * `Photo.reduced` where there is one.
 */
export function cropPixels(decoded: Photo, preprocess: ImagePreprocess): Uint8Array {
  const photo = decoded.reduced ?? decoded;
  const frame = frameOf(photo.originalWidth, photo.originalHeight, preprocess);
  const pixels = resample(photo, { ...frame, box: boxOf(photo), interpolation: preprocess.interpolation });
  return padWithBlack(pixels, frame, preprocess.crop);
}

/** How much of a picture `cropPixels` needs to see, for the decoder. */
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

/** Where the crop is larger than the picture the reference pads with black pixels, not with zeros in the tensor. */
function padWithBlack(pixels: Uint8Array, frame: Frame, crop: ImagePreprocess['crop']): Uint8Array {
  if (frame.columns === crop.width && frame.rows === crop.height) return pixels;
  const padded = new Uint8Array(crop.width * crop.height * 3);
  const rowBytes = frame.columns * 3;
  for (let row = 0; row < frame.rows; row++) {
    const start = ((frame.padTop + row) * crop.width + frame.padLeft) * 3;
    padded.set(pixels.subarray(row * rowBytes, (row + 1) * rowBytes), start);
  }
  return padded;
}
