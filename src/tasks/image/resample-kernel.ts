/**
 * The inner loops over pixels, mostly of resampling, over a memory of their own; all arguments that name a place are byte offsets into it.
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

  /**
   * Two rows of RGB pixels to one of `columns` pixels: the rounded mean of each two by two. The rows lie one after the
   * other. Reads up to 16 bytes past the last pixel, and writes up to 5 bytes past it. `out` may be where the rows are, or
   * before them.
   */
  halve(rows: number, rowBytes: number, out: number, columns: number): void;

  /** Four rows to one, as two times `halve` does it. */
  quarter(rows: number, rowBytes: number, out: number, columns: number): void;

  /**
   * One row of `columns` RGB pixels, each mixed of two by two pixels by OpenCV's fixed-point formula; weights have 11
   * fractional bits. Each column has `TAP_BYTES` at `taps`: the byte of the row at which its left pixel begins (int32), and
   * the weights of this and of the next pixel (int16). Reads up to 5 bytes past the left pixel whatever the weights, and
   * writes one byte past the last column.
   */
  bilinear(
    upper: number,
    lower: number,
    out: number,
    columns: number,
    taps: number,
    upperWeight: number,
    lowerWeight: number,
  ): void;

  /**
   * `count` RGB pixels as three rows of float32: `(value - centre) / spread`, rounded once. `centre` has at most one
   * fractional bit. Works in steps of 4 pixels: all rows need that much room, and 4 bytes are read past the last pixel.
   */
  planes(pixels: number, red: number, green: number, blue: number, count: number, centre: number, spread: number): void;
}

/** Fractional bits of a weight. */
export const WEIGHT_BITS = 22;
export const WEIGHT_BYTES_PER_QUAD = 16;
/** Values that `accumulate` and `finish` take at a time. */
export const LANES = 8;
/** What `bilinear` reads for each column. */
export const TAP_BYTES = 8;
