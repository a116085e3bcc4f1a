import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { createDotKernel, ROW_BYTES_STEP, type DotKernel } from './dot-kernel.js';
import { NearestLists } from './nearest-lists.js';

/** What 1 becomes in a row: the largest 16-bit integer. */
const FIXED_ONE = 32_767;

/** Rows of a block: two blocks and their products fit the second-level cache at 512 values a row. */
const BLOCK = 64;
/** The kernel takes columns by two; the second is of no interest where one row is compared. */
const COLUMNS_AT_LEAST = 2;

/**
 * Vectors of at most unit length as 16-bit integers, `FIXED_ONE` times their values. Integer sums have no rounding, so
 * similarities don't depend on the machine, the blocks or the order of the rows. A product of two rows is off by about
 * 1e-5 of 1, which is far less than what two decodings of the same face differ by.
 */
export class FixedRows {
  /** Values of a row; more than those of the vector where that has no multiple of eight. */
  readonly length: number;
  /** A similarity of 1 as a product of two rows. */
  readonly unit = FIXED_ONE ** 2;
  /** The most that a product of two rows can be off by because their values were rounded. */
  readonly maxError: number;
  readonly #kernel: DotKernel;
  readonly #words: Int16Array;
  readonly #tile: Int32Array;

  /** Takes 2 bytes a value: 102 MB for 100,000 rows of 512. */
  constructor(rows: number, dim: number, kernel: DotKernel = createDotKernel()) {
    const rowBytes = Math.ceil((2 * dim) / ROW_BYTES_STEP) * ROW_BYTES_STEP;
    const bytes = Math.ceil((rows + 1) / BLOCK) * BLOCK * rowBytes;
    const memory = kernel.reserve(bytes + 4 * BLOCK * BLOCK);
    this.#kernel = kernel;
    this.length = rowBytes >> 1;
    // Each value is off by 1/2 at most, so a row by a vector of length √dim / 2; then by the Cauchy-Schwarz inequality.
    this.maxError = FIXED_ONE * Math.sqrt(dim) + dim / 4;
    this.#words = new Int16Array(memory, 0, bytes >> 1);
    this.#tile = new Int32Array(memory, bytes, BLOCK * BLOCK);
  }

  /** The integers of a row, not to be kept: the row may be written anew. */
  row(index: number): Int16Array {
    return this.#words.subarray(index * this.length, (index + 1) * this.length);
  }

  /** Writes a vector, times `scale`, to a row. */
  setVector(index: number, vector: Float32Array | Float64Array, scale: number): void {
    const row = this.row(index);
    for (let i = 0; i < vector.length; i++) row[i] = Math.round((vector[i] as number) * scale * FIXED_ONE);
  }

  /** Writes the mean of `count` rows with that sum to a row. */
  setMean(index: number, sum: Float64Array, count: number): void {
    const row = this.row(index);
    for (let i = 0; i < row.length; i++) row[i] = Math.round((sum[i] as number) / count);
  }

  copyRow(from: number, to: number): void {
    this.#words.copyWithin(to * this.length, from * this.length, (from + 1) * this.length);
  }

  /** The first row from `from` on, before `until`, whose product with the row `index` is `floor` or more. */
  findSimilar(index: number, from: number, until: number, floor: number): number | undefined {
    for (let top = from - (from % BLOCK); top < until; top += BLOCK) {
      this.#multiply(top, BLOCK, index, COLUMNS_AT_LEAST);
      for (let row = Math.max(from, top); row < Math.min(until, top + BLOCK); row++) {
        if ((this.#tile[(row - top) * COLUMNS_AT_LEAST] as number) >= floor) return row;
      }
    }
    return undefined;
  }

  /**
   * The `capacity` most similar others of each of the first `rows` rows, as far as the product is `floor` or more. Takes rows² / 2 products and `8 x rows x capacity` bytes; turns the event loop at
   * each block of rows.
   * @throws the signal's reason when it is aborted
   */
  async nearest(rows: number, floor: number, capacity: number, signal?: AbortSignal): Promise<NearestLists> {
    const lists = new NearestLists(rows, capacity);
    for (let top = 0; top < rows; top += BLOCK) {
      await turnOfTheLoop();
      signal?.throwIfAborted();
      for (let left = top; left < rows; left += BLOCK) {
        this.#multiply(top, BLOCK, left, BLOCK);
        this.#collect(lists, top, left, floor);
      }
    }
    return lists;
  }

  #multiply(top: number, rows: number, left: number, columns: number): void {
    const rowBytes = 2 * this.length;
    this.#kernel.dots(top * rowBytes, left * rowBytes, rows, columns, rowBytes, this.#tile.byteOffset);
  }

  #collect(lists: NearestLists, top: number, left: number, floor: number): void {
    const tile = this.#tile;
    const bottom = Math.min(top + BLOCK, lists.rows);
    const right = Math.min(left + BLOCK, lists.rows);
    for (let i = top; i < bottom; i++) {
      const line = (i - top) * BLOCK - left;
      for (let j = Math.max(left, i + 1); j < right; j++) {
        const value = tile[line + j] as number;
        if (value < floor) continue;
        lists.offer(i, j, value);
        lists.offer(j, i, value);
      }
    }
  }
}
