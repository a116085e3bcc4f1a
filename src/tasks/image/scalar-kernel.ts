import { PAGE_BYTES } from '../../wasm-kernel.js';
import { TAP_BYTES, WEIGHT_BITS, type ResampleKernel } from './resample-kernel.js';

const LOW_BITS = 12;
const HALF = 1 << (WEIGHT_BITS - 1);

/** The kernel in plain JavaScript. */
export class ScalarKernel implements ResampleKernel {
  private bytes = new Uint8ClampedArray(0);
  private words = new Int16Array(0);
  private integers = new Int32Array(0);
  private floats = new Float32Array(0);

  reserve(size: number): ArrayBuffer {
    if (size > this.bytes.length) {
      const buffer = new ArrayBuffer(Math.ceil(size / PAGE_BYTES) * PAGE_BYTES);
      this.bytes = new Uint8ClampedArray(buffer);
      this.words = new Int16Array(buffer);
      this.integers = new Int32Array(buffer);
      this.floats = new Float32Array(buffer);
    }
    return this.bytes.buffer;
  }

  horizontal(row: number, out: number, columns: number, starts: number, weights: number, quads: number): void {
    const { bytes, words, integers } = this;
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
  }

  accumulate(row: number, sums: number, count: number, weight: number): void {
    const { bytes, integers } = this;
    const first = sums >> 2;
    for (let i = 0; i < count; i++) {
      integers[first + i] = at(integers, first + i) + Math.imul(at(bytes, row + i), weight);
    }
  }

  finish(sums: number, out: number, count: number): void {
    const { bytes, integers } = this;
    const first = sums >> 2;
    for (let i = 0; i < count; i++) bytes[out + i] = (at(integers, first + i) + HALF) >> WEIGHT_BITS;
  }

  halve(rows: number, rowBytes: number, out: number, columns: number): void {
    const { bytes } = this;
    for (let column = 0; column < columns; column++, rows += 3) {
      for (let channel = 0; channel < 3; channel++) bytes[out++] = halved(bytes, rows++, rowBytes);
    }
  }

  quarter(rows: number, rowBytes: number, out: number, columns: number): void {
    const { bytes } = this;
    const lower = 2 * rowBytes;
    for (let column = 0; column < columns; column++, rows += 9) {
      for (let channel = 0; channel < 3; channel++, rows++) {
        const above = halved(bytes, rows, rowBytes) + halved(bytes, rows + 6, rowBytes);
        const below = halved(bytes, rows + lower, rowBytes) + halved(bytes, rows + lower + 6, rowBytes);
        bytes[out++] = (above + below + 2) >> 2;
      }
    }
  }

  bilinear(
    upper: number,
    lower: number,
    out: number,
    columns: number,
    taps: number,
    upperWeight: number,
    lowerWeight: number,
  ): void {
    const { bytes, words, integers } = this;
    for (let tap = taps; tap < taps + columns * TAP_BYTES; tap += TAP_BYTES) {
      const start = at(integers, tap >> 2);
      const left = at(words, (tap >> 1) + 2);
      const right = at(words, (tap >> 1) + 3);
      for (let from = start; from < start + 3; from++) {
        const above = at(bytes, upper + from) * left + at(bytes, upper + from + 3) * right;
        const below = at(bytes, lower + from) * left + at(bytes, lower + from + 3) * right;
        const mixed = ((upperWeight * (above >> 4)) >> 16) + ((lowerWeight * (below >> 4)) >> 16);
        bytes[out++] = (mixed + 2) >> 2;
      }
    }
  }

  planes(
    pixels: number,
    red: number,
    green: number,
    blue: number,
    count: number,
    centre: number,
    spread: number,
  ): void {
    const { bytes, floats } = this;
    for (let i = 0; i < count; i++, pixels += 3) {
      floats[(red >> 2) + i] = (at(bytes, pixels) - centre) / spread;
      floats[(green >> 2) + i] = (at(bytes, pixels + 1) - centre) / spread;
      floats[(blue >> 2) + i] = (at(bytes, pixels + 2) - centre) / spread;
    }
  }
}

/** An element that is known to exist: the caller's layout reserves it. */
function at(array: Uint8ClampedArray | Int16Array | Int32Array, index: number): number {
  return array[index] as number;
}

/** The rounded mean of the bytes of two by two pixels. */
function halved(bytes: Uint8ClampedArray, upper: number, rowBytes: number): number {
  const above = at(bytes, upper) + at(bytes, upper + 3);
  const below = at(bytes, upper + rowBytes) + at(bytes, upper + rowBytes + 3);
  return (above + below + 2) >> 2;
}
