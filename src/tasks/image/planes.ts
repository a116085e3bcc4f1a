import type { ResampleKernel } from './resample-kernel.js';
import { threadKernel } from './thread-kernel.js';

/** What a graph wants: `(value - centre) / spread` for each byte, rounded once, in planes of this order. */
export interface PlaneFormat {
  readonly order: 'rgb' | 'bgr';
  /** At most one fractional bit. */
  readonly centre: number;
  readonly spread: number;
}

/** Pixels that are converted at a time: few enough for the nearest cache. */
const CHUNK = 2048;

/** `(value - 127.5) / spread`, as insightface's graphs want it. */
export function centredPlanes(spread: number): PlaneFormat {
  return { order: 'rgb', centre: 127.5, spread };
}

/** The bytes themselves, for graphs that do the rest by themselves. */
export function rawPlanes(order: PlaneFormat['order']): PlaneFormat {
  return { order, centre: 0, spread: 1 };
}

/** Writes RGB pixels as three planes from `start` on. */
export function writePlanes(
  tensor: Float32Array,
  start: number,
  pixels: Uint8Array,
  { order, centre, spread }: PlaneFormat,
  kernel: ResampleKernel = threadKernel(),
): void {
  const plane = pixels.length / 3;
  const rows = 3 * CHUNK + 16;
  const buffer = kernel.reserve(rows + 3 * CHUNK * 4);
  const memory = new Uint8Array(buffer);
  const floats = new Float32Array(buffer, rows);
  const [red, green, blue] = order === 'rgb' ? [0, 1, 2] : [2, 1, 0];
  const place = (channel: number): number => rows + channel * CHUNK * 4;
  for (let first = 0; first < plane; first += CHUNK) {
    const count = Math.min(CHUNK, plane - first);
    memory.set(pixels.subarray(first * 3, (first + count) * 3));
    kernel.planes(0, place(red), place(green), place(blue), count, centre, spread);
    for (let channel = 0; channel < 3; channel++) {
      const row = floats.subarray(channel * CHUNK, channel * CHUNK + count);
      tensor.set(row, start + channel * plane + first);
    }
  }
}
