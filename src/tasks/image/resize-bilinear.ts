import { halvePixels } from '../image/halve.js';
import type { Photo } from '../task.js';
import { roundHalfEven } from './round-half-even.js';

/** Where a resized picture goes: the top left of `data`, whose rows may be longer than the picture's. */
export interface ResizeTarget {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  readonly rowBytes: number;
}

/** Weights have 11 fractional bits. */
const WEIGHT_ONE = 2048;

/**
 * Resizes RGB pixels as OpenCV 4 does it for 8-bit pictures with `INTER_LINEAR`, bit by bit: four neighbours and no
 * low-pass filter, whatever the scale. Detectors were trained on such pictures, and with a filter they lose faces. Only
 * the pixels that are looked at cost anything, so 12 megapixels take hardly longer than one.
 */
export function resizeBilinear(source: Pick<Photo, 'width' | 'height' | 'data'>, target: ResizeTarget): void {
  if (source.width === target.width && source.height === target.height) copyRows(source, target);
  // OpenCV's rule for a shrink by exactly two in both directions: the mean of the four pixels.
  else if (source.width === target.width * 2 && source.height === target.height * 2)
    copyRows(halvePixels(source, 1), target);
  else interpolate(source, target);
}

function copyRows({ width, data }: Pick<Photo, 'width' | 'data'>, target: ResizeTarget): void {
  for (let y = 0; y < target.height; y++) {
    target.data.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * target.rowBytes);
  }
}

function interpolate(source: Pick<Photo, 'width' | 'height' | 'data'>, target: ResizeTarget): void {
  const columns = axisOf(source.width, target.width, true);
  const rows = axisOf(source.height, target.height, false);
  const rowBytes = source.width * 3;
  const { data } = source;
  const { data: result } = target;
  for (let y = 0; y < target.height; y++) {
    const upper = (rows.first[y] as number) * rowBytes;
    const lower = (rows.second[y] as number) * rowBytes;
    const upperWeight = rows.firstWeight[y] as number;
    const lowerWeight = rows.secondWeight[y] as number;
    const mix = (left: number, right: number, leftWeight: number, rightWeight: number): number => {
      const above = (data[upper + left] as number) * leftWeight + (data[upper + right] as number) * rightWeight;
      const below = (data[lower + left] as number) * leftWeight + (data[lower + right] as number) * rightWeight;
      return (((upperWeight * (above >> 4)) >> 16) + ((lowerWeight * (below >> 4)) >> 16) + 2) >> 2;
    };
    let to = y * target.rowBytes;
    for (let x = 0; x < target.width; x++, to += 3) {
      const left = (columns.first[x] as number) * 3;
      const right = (columns.second[x] as number) * 3;
      const leftWeight = columns.firstWeight[x] as number;
      const rightWeight = columns.secondWeight[x] as number;
      result[to] = mix(left, right, leftWeight, rightWeight);
      result[to + 1] = mix(left + 1, right + 1, leftWeight, rightWeight);
      result[to + 2] = mix(left + 2, right + 2, leftWeight, rightWeight);
    }
  }
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
