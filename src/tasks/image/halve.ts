import type { Photo } from '../task.js';
import type { ResampleKernel } from './resample-kernel.js';
import type { Pixels } from './resample.js';
import { threadKernel } from './thread-kernel.js';

/** The kernel reads and writes a little past a row. */
const SLACK = 16;

/**
 * Half the size in both directions, so many times, each pixel the rounded mean of four. Odd last columns and rows are
 * left out. The rows of one result row are halved in the kernel's memory, where they lie.
 */
export function halvePixels(source: Pixels, times: number, kernel: ResampleKernel = threadKernel()): Pixels {
  const sourceRows = 2 ** times;
  const sourceBytes = source.width * 3 * sourceRows;
  const [width, height] = [source.width >> times, source.height >> times];
  const memory = new Uint8Array(kernel.reserve(sourceBytes + SLACK));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    memory.set(source.data.subarray(y * sourceBytes, (y + 1) * sourceBytes));
    let columns = source.width;
    for (let rows = sourceRows; rows > 1;) {
      const step = rows >= 4 ? 4 : 2;
      const rowBytes = columns * 3;
      columns = Math.floor(columns / step);
      rows /= step;
      for (let row = 0; row < rows; row++) {
        const [from, to] = [row * step * rowBytes, row * columns * 3];
        if (step === 4) kernel.quarter(from, rowBytes, to, columns);
        else kernel.halve(from, rowBytes, to, columns);
      }
    }
    data.set(memory.subarray(0, width * 3), y * width * 3);
  }
  return { width, height, data };
}

/** A photo that was decoded in full, halved so many times. */
export function halvePhoto(photo: Photo, times: number): Photo {
  const pixels = halvePixels(photo, times);
  const { originalWidth, originalHeight } = photo;
  const region = { left: 0, top: 0, width: pixels.width << times, height: pixels.height << times };
  return { ...pixels, originalWidth, originalHeight, region };
}
