import type { Photo } from '../task.js';
import { roundHalfEven } from '../image/round-half-even.js';
import type { Similarity } from './similarity.js';

/** Positions have 10 fractional bits, of which the upper 5 count. */
const POSITION_ONE = 1024;
const HALF_STEP = 16;
const STEPS = 32;

/**
 * `side x side` RGB pixels of a photo seen through a similarity (photo to result), as OpenCV 4's `warpAffine` makes them
 * from 8-bit pictures, bit by bit: bilinear between the four nearest pixels in steps of 1/32 pixel, zero outside.
 */
export function warpSimilarity(
  photo: Pick<Photo, 'width' | 'height' | 'data'>,
  transform: Similarity,
  side: number,
): Uint8Array {
  const { across, down, left, top } = invert(transform);
  const result = new Uint8Array(side * side * 3);
  // Along a row of the result both coordinates grow by a table, to which the row's own start is added.
  const columnX = new Int32Array(side);
  const columnY = new Int32Array(side);
  for (let x = 0; x < side; x++) {
    columnX[x] = roundHalfEven(across * x * POSITION_ONE);
    columnY[x] = roundHalfEven(-down * x * POSITION_ONE);
  }
  let to = 0;
  for (let y = 0; y < side; y++) {
    const rowX = roundHalfEven((down * y + left) * POSITION_ONE) + HALF_STEP;
    const rowY = roundHalfEven((across * y + top) * POSITION_ONE) + HALF_STEP;
    for (let x = 0; x < side; x++, to += 3) {
      const x32 = (rowX + (columnX[x] as number)) >> 5;
      const y32 = (rowY + (columnY[x] as number)) >> 5;
      const isInside = x32 >= 0 && y32 >= 0 && x32 >> 5 < photo.width - 1 && y32 >> 5 < photo.height - 1;
      if (isInside) mixInside(photo, x32, y32, result, to);
      else mixAtBorder(photo, x32, y32, result, to);
    }
  }
  return result;
}

/** `x = across x' + down y' + left`, `y = -down x' + across y' + top`, in double precision. */
function invert({ a, b, tx, ty }: Similarity): { across: number; down: number; left: number; top: number } {
  const determinant = 1 / (a * a + b * b);
  const across = a * determinant;
  const down = b * determinant;
  return { across, down, left: -across * tx - down * ty, top: down * tx - across * ty };
}

/** All four pixels lie in the photo. `x32` and `y32` are positions in steps of 1/32 pixel. */
function mixInside(
  { width, data }: Pick<Photo, 'width' | 'data'>,
  x32: number,
  y32: number,
  result: Uint8Array,
  to: number,
): void {
  const right = x32 & (STEPS - 1);
  const lower = y32 & (STEPS - 1);
  const rowBytes = width * 3;
  let from = (y32 >> 5) * rowBytes + (x32 >> 5) * 3;
  for (let i = to; i < to + 3; i++, from++) {
    const above = (data[from] as number) * (STEPS - right) + (data[from + 3] as number) * right;
    const under = (data[from + rowBytes] as number) * (STEPS - right) + (data[from + rowBytes + 3] as number) * right;
    result[i] = ((above * (STEPS - lower) + under * lower) * 32 + 16384) >> 15;
  }
}

/** The same where some of the four may lie outside. */
function mixAtBorder(
  { width, height, data }: Pick<Photo, 'width' | 'height' | 'data'>,
  x32: number,
  y32: number,
  result: Uint8Array,
  to: number,
): void {
  const x = x32 >> 5;
  const y = y32 >> 5;
  if (x < -1 || y < -1 || x >= width || y >= height) return;
  const right = x32 & (STEPS - 1);
  const lower = y32 & (STEPS - 1);
  const left = x >= 0 ? STEPS - right : 0;
  const rest = x + 1 < width ? right : 0;
  const upper = y >= 0 ? STEPS - lower : 0;
  const below = y + 1 < height ? lower : 0;
  const rowBytes = width * 3;
  const from = y * rowBytes + x * 3;
  for (let i = from; i < from + 3; i++) {
    // A tap without weight may lie outside the picture; what is read there counts nothing.
    const above = (data[i] ?? 0) * left + (data[i + 3] ?? 0) * rest;
    const under = (data[i + rowBytes] ?? 0) * left + (data[i + rowBytes + 3] ?? 0) * rest;
    result[to + i - from] = ((above * upper + under * below) * 32 + 16384) >> 15;
  }
}
