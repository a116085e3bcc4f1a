import { loadWasmKernel, PAGE_BYTES } from '../../wasm-kernel.js';
import { KERNEL_BASE64 } from './resample-kernel-binary.js';

/**
 * The inner loops of resampling over a memory of their own; all arguments that name a place are byte offsets into it.
 * Two implementations give the same bits: WebAssembly SIMD, and plain JavaScript (six to ten times slower) for
 * processors that lack it. Sums are 32-bit integers of pixel times weight, the weights having 22 fractional bits.
 */
export interface ResampleKernel {
  /**
   * Makes sure that there are at least `bytes` bytes and returns the memory. What lay in it is kept or lost, and views
   * of an earlier answer are dead.
   */
  reserve(bytes: number): ArrayBuffer;

  /**
   * One row of RGB pixels to `columns` RGB pixels at `out`. Column `i` begins at byte `starts[i]` (int32) of the row and
   * takes `4 x quads` pixels. Weights lie as `WEIGHT_BYTES_PER_QUAD` bytes per column and quad: the upper parts of four
   * weights (`weight >> 12`) as int16, then their lower 12 bits. Reads up to 16 bytes past the last pixel, and writes
   * one byte past the last column.
   */
  horizontal(row: number, out: number, columns: number, starts: number, weights: number, quads: number): void;

  /** Adds `count` bytes of a row, times `weight`, to int32 sums. Works in steps of `LANES`: both need that much room. */
  accumulate(row: number, sums: number, count: number, weight: number): void;

  /** Rounds `count` sums to bytes, 0 to 255. Works in steps of `LANES`. */
  finish(sums: number, out: number, count: number): void;
}

/** Fractional bits of a weight. */
export const WEIGHT_BITS = 22;
export const WEIGHT_BYTES_PER_QUAD = 16;
/** Values that `accumulate` and `finish` take at a time. */
export const LANES = 8;

const LOW_BITS = 12;
const HALF = 1 << (WEIGHT_BITS - 1);

/** The fastest kernel that this processor runs. */
export function createKernel(): ResampleKernel {
  return createSimdKernel() ?? createScalarKernel();
}

/** The WebAssembly kernel, or undefined where the engine or the processor has no 128-bit SIMD. */
export function createSimdKernel(): ResampleKernel | undefined {
  return loadWasmKernel(KERNEL_BASE64) as ResampleKernel | undefined;
}

/** The kernel in plain JavaScript. */
export function createScalarKernel(): ResampleKernel {
  let buffer = new ArrayBuffer(PAGE_BYTES);
  let bytes = new Uint8ClampedArray(buffer);
  let words = new Int16Array(buffer);
  let integers = new Int32Array(buffer);

  return {
    reserve(size) {
      if (size > buffer.byteLength) {
        buffer = new ArrayBuffer(Math.ceil(size / PAGE_BYTES) * PAGE_BYTES);
        bytes = new Uint8ClampedArray(buffer);
        words = new Int16Array(buffer);
        integers = new Int32Array(buffer);
      }
      return buffer;
    },

    horizontal(row, out, columns, starts, weights, quads) {
      let word = weights >> 1;
      for (let column = 0; column < columns; column++) {
        let pixel = row + at(integers, (starts >> 2) + column);
        let red = HALF;
        let green = HALF;
        let blue = HALF;
        for (let quad = 0; quad < quads; quad++, word += 8) {
          for (let tap = word; tap < word + 4; tap++, pixel += 3) {
            const weight = (at(words, tap) << LOW_BITS) + at(words, tap + 4);
            red += Math.imul(at(bytes, pixel), weight);
            green += Math.imul(at(bytes, pixel + 1), weight);
            blue += Math.imul(at(bytes, pixel + 2), weight);
          }
        }
        const place = out + column * 3;
        bytes[place] = red >> WEIGHT_BITS;
        bytes[place + 1] = green >> WEIGHT_BITS;
        bytes[place + 2] = blue >> WEIGHT_BITS;
      }
    },

    accumulate(row, sums, count, weight) {
      const first = sums >> 2;
      for (let i = 0; i < count; i++) {
        integers[first + i] = at(integers, first + i) + Math.imul(at(bytes, row + i), weight);
      }
    },

    finish(sums, out, count) {
      const first = sums >> 2;
      for (let i = 0; i < count; i++) bytes[out + i] = (at(integers, first + i) + HALF) >> WEIGHT_BITS;
    },
  };
}

/** An element that is known to exist: the caller's layout reserves it. */
function at(array: Uint8ClampedArray | Int16Array | Int32Array, index: number): number {
  return array[index] as number;
}
