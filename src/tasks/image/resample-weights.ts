import type { Interpolation } from '../../model.js';
import { WEIGHT_BITS } from './resample-kernel.js';

export type Filter = Exclude<Interpolation, 'nearest'>;

/** One axis of a resampling. */
export interface Axis {
  /** Pixels that there are. */
  readonly sourceLength: number;
  /** The stretch of the source that becomes the whole target, in pixels; may be fractional and begin below 0. */
  readonly boxStart: number;
  readonly boxLength: number;
  /** Pixels of the whole target. */
  readonly targetLength: number;
  /** The pixels of the target that are wanted. */
  readonly first: number;
  readonly count: number;
}

/** Which source pixels each wanted target pixel is made of. Starts and ends never go back from one to the next. */
export interface AxisWeights {
  readonly count: number;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** `stride` weights per target pixel, fixed-point with `WEIGHT_BITS` fractional bits; zero past its length. */
  readonly weights: Int32Array;
  readonly stride: number;
}

interface Kernel {
  /** Distance, in target pixels when shrinking, beyond which the weight is zero. */
  readonly support: number;
  readonly weigh: (distance: number) => number;
}

const KERNELS = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: weighBicubic },
  lanczos: { support: 3, weigh: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} satisfies Record<Filter, Kernel>;

/** Keys' cubic with a = -0.5. */
function weighBicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/**
 * The weights that Pillow gives: the kernel is widened by the scale when shrinking, its window cut at the edges, the
 * weights normalised in double precision and then rounded to fixed point, halves away from zero. The order of the
 * floating-point operations is Pillow's, as the last bit decides how a value is rounded.
 */
export function computeWeights(axis: Axis, filter: Filter): AxisWeights {
  const { sourceLength, boxStart, boxLength, targetLength, first, count } = axis;
  const kernel = KERNELS[filter];
  const scale = boxLength / targetLength;
  const widening = Math.max(scale, 1);
  const support = kernel.support * widening;
  const stride = Math.min(Math.ceil(support) * 2 + 1, sourceLength);
  const starts = new Int32Array(count);
  const lengths = new Int32Array(count);
  const weights = new Int32Array(count * stride);
  const window = new Float64Array(stride);
  for (let i = 0; i < count; i++) {
    const centre = boxStart + (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const length = Math.min(sourceLength, Math.trunc(centre + support + 0.5)) - start;
    for (let tap = 0; tap < length; tap++) {
      window[tap] = kernel.weigh((tap + start - centre + 0.5) * (1 / widening));
    }
    starts[i] = start;
    lengths[i] = length;
    writeFixedPoint(window, length, weights, i * stride);
  }
  return { count, starts, lengths, weights, stride };
}

const ONE = 2 ** WEIGHT_BITS;

/** Plain loops: this runs for hundreds of windows per photo. */
function writeFixedPoint(window: Float64Array, length: number, weights: Int32Array, start: number): void {
  let sum = 0;
  for (let tap = 0; tap < length; tap++) sum += window[tap] as number;
  for (let tap = 0; tap < length; tap++) {
    const weight = window[tap] as number;
    const share = (sum === 0 ? weight : weight / sum) * ONE;
    weights[start + tap] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
  }
}

/** The first source pixel that any target pixel needs, and the one after the last. */
export function sourceRange({ starts, lengths, count }: AxisWeights): { readonly start: number; readonly end: number } {
  const last = count - 1;
  return { start: starts[0] ?? 0, end: (starts[last] ?? 0) + (lengths[last] ?? 0) };
}

/** The most target pixels that have one source pixel in common. */
export function deepestOverlap({ starts, lengths, count }: AxisWeights): number {
  let deepest = 0;
  let oldest = 0;
  for (let i = 0; i < count; i++) {
    while ((starts[oldest] ?? 0) + (lengths[oldest] ?? 0) <= (starts[i] ?? 0)) oldest++;
    deepest = Math.max(deepest, i - oldest + 1);
  }
  return deepest;
}
