import { halvePixels } from './halve.js';
import { TAP_BYTES, type ResampleKernel } from './resample-kernel.js';
import type { Pixels } from './resample.js';
import { roundHalfEven } from './round-half-even.js';
import { threadKernel } from './thread-kernel.js';

/** Where a resized picture goes: the top left of `data`, whose rows may be longer than the picture's. */
export interface ResizeTarget {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  readonly rowBytes: number;
}

/** Weights have 11 fractional bits. */
const WEIGHT_ONE = 2048;
/** The kernel reads and writes a little past a row. */
const SLACK = 8;

/**
 * Resizes RGB pixels as OpenCV 4 does it for 8-bit pictures with `INTER_LINEAR`, bit by bit: four neighbours and no
 * low-pass filter, whatever the scale. Detectors were trained on such pictures, and with a filter they lose faces. Only
 * the pixels that are looked at cost anything, so 12 megapixels take hardly longer than one.
 */
export function resizeBilinear(source: Pixels, target: ResizeTarget, kernel: ResampleKernel = threadKernel()): void {
  if (source.width === target.width && source.height === target.height) copyRows(source, target);
  // OpenCV's rule for a shrink by exactly two in both directions: the mean of the four pixels.
  else if (source.width === target.width * 2 && source.height === target.height * 2)
    copyRows(halvePixels(source, 1, kernel), target);
  else interpolate(source, target, kernel);
}

function copyRows({ width, data }: Pixels, target: ResizeTarget): void {
  for (let y = 0; y < target.height; y++) {
    target.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * target.rowBytes);
  }
}

function interpolate(source: Pixels, target: ResizeTarget, kernel: ResampleKernel): void {
  const rows = axisOf(source.height, target.height, false);
  const rowBytes = source.width * 3;
  const upper = target.width * TAP_BYTES;
  const lower = upper + rowBytes;
  const out = lower + rowBytes + SLACK;
  const buffer = kernel.reserve(out + target.width * 3 + SLACK);
  const memory = new Uint8Array(buffer);
  writeTaps(buffer, axisOf(source.width, target.width, true));
  const copyRow = (row: number, place: number): void => {
    memory.set(source.data.subarray(row * rowBytes, (row + 1) * rowBytes), place);
  };
  for (let y = 0; y < target.height; y++) {
    copyRow(at(rows.first, y), upper);
    copyRow(at(rows.second, y), lower);
    kernel.bilinear(upper, lower, out, target.width, 0, at(rows.firstWeight, y), at(rows.secondWeight, y));
    target.data.set(memory.subarray(out, out + target.width * 3), y * target.rowBytes);
  }
}

/** Lays the columns out as the kernel reads them, at its beginning. What is right of the last column has no weight. */
function writeTaps(buffer: ArrayBuffer, columns: Axis): void {
  const starts = new Int32Array(buffer);
  const words = new Int16Array(buffer);
  columns.first.forEach((column, x) => {
    starts[x * 2] = column * 3;
    words[x * 4 + 2] = at(columns.firstWeight, x);
    words[x * 4 + 3] = at(columns.secondWeight, x);
  });
}

/** For each target pixel along one axis: its two neighbours in the source and their weights. */
interface Axis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly firstWeight: Int32Array;
  readonly secondWeight: Int32Array;
}

/**
 * At the borders OpenCV clamps the position across, weights included, but only the row's index down. All positions are
 * rounded to single precision, as there.
 */
function axisOf(sourceLength: number, targetLength: number, isAcross: boolean): Axis {
  const axis: Axis = {
    first: new Int32Array(targetLength),
    second: new Int32Array(targetLength),
    firstWeight: new Int32Array(targetLength),
    secondWeight: new Int32Array(targetLength),
  };
  const scale = 1 / (targetLength / sourceLength);
  const last = sourceLength - 1;
  for (let i = 0; i < targetLength; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let index = Math.floor(position);
    let fraction = Math.fround(position - index);
    if (isAcross && (index < 0 || index >= last)) {
      index = index < 0 ? 0 : last;
      fraction = 0;
    }
    axis.first[i] = clamp(index, last);
    axis.second[i] = clamp(index + 1, last);
    axis.firstWeight[i] = roundHalfEven(Math.fround(Math.fround(1 - fraction) * WEIGHT_ONE));
    axis.secondWeight[i] = roundHalfEven(Math.fround(fraction * WEIGHT_ONE));
  }
  return axis;
}

function clamp(index: number, last: number): number {
  return Math.max(0, Math.min(index, last));
}

/** An element that is known to exist. */
function at(array: Int32Array, index: number): number {
  return array[index] as number;
}
