import { roundHalfEven } from '../image/round-half-even.js';
import type { Picture } from './canvas.js';
import { distance, type Corners } from './rectangle.js';

/** A line this many times higher than wide is written downwards, and read lying on its side. */
const UPRIGHT = 1.5;
/** Positions are rounded to this part of a pixel. */
const STEPS = 32;
/** Sharpness of the bicubic kernel, as OpenCV has it. */
const SHARPNESS = -0.75;
/** Weights of the four taps for each of the 32 positions between two pixels. */
const WEIGHTS = Float64Array.from({ length: STEPS * 4 }, (_, i) => tapWeight(i & 3, (i >> 2) / STEPS));

/**
 * Cuts a box out of a picture and straightens it by perspective, bicubic, with the border's pixels going on beyond it. A
 * box written downwards comes turned by a quarter, counter-clockwise.
 */
export function straighten(picture: Picture, corners: Corners): Picture {
  const [topLeft, topRight, bottomRight, bottomLeft] = corners;
  const width = Math.trunc(Math.max(distance(topLeft, topRight), distance(bottomRight, bottomLeft)));
  const height = Math.trunc(Math.max(distance(topLeft, bottomLeft), distance(topRight, bottomRight)));
  const data = new Uint8Array(width * height * 3);
  const { across, down, base, tilt } = perspective(corners, width, height);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const depth = STEPS / (tilt[0] * x + tilt[1] * y + 1);
      const x32 = roundHalfEven((across[0] * x + down[0] * y + base[0]) * depth);
      const y32 = roundHalfEven((across[1] * x + down[1] * y + base[1]) * depth);
      samplePixel(picture, x32, y32, data, to);
    }
  }
  return height / width >= UPRIGHT ? turnLeft({ width, height, data }) : { width, height, data };
}

type Pair = readonly [number, number];

/** `(x, y)` of the result is `(across x + down y + base) / (tilt . (x, y) + 1)` in the picture. */
interface Perspective {
  readonly across: Pair;
  readonly down: Pair;
  readonly base: Pair;
  readonly tilt: Pair;
}

/** The perspective that has the rectangle's corners at the four given ones (Heckbert's closed form). */
function perspective(
  [topLeft, topRight, bottomRight, bottomLeft]: Corners,
  width: number,
  height: number,
): Perspective {
  const [x0, y0] = topLeft;
  const [dx1, dy1] = [topRight[0] - bottomRight[0], topRight[1] - bottomRight[1]];
  const [dx2, dy2] = [bottomLeft[0] - bottomRight[0], bottomLeft[1] - bottomRight[1]];
  const sumX = x0 - topRight[0] + bottomRight[0] - bottomLeft[0];
  const sumY = y0 - topRight[1] + bottomRight[1] - bottomLeft[1];
  const area = dx1 * dy2 - dx2 * dy1;
  const g = area === 0 ? 0 : (sumX * dy2 - dx2 * sumY) / area;
  const h = area === 0 ? 0 : (dx1 * sumY - sumX * dy1) / area;
  return {
    across: [(topRight[0] - x0 + g * topRight[0]) / width, (topRight[1] - y0 + g * topRight[1]) / width],
    down: [(bottomLeft[0] - x0 + h * bottomLeft[0]) / height, (bottomLeft[1] - y0 + h * bottomLeft[1]) / height],
    base: [x0, y0],
    tilt: [g / width, h / height],
  };
}

/** `x32` and `y32` are positions in steps of 1/32 pixel. */
function samplePixel({ width, height, data }: Picture, x32: number, y32: number, result: Uint8Array, to: number): void {
  const [left, top] = [(x32 >> 5) - 1, (y32 >> 5) - 1];
  const [columnWeights, rowWeights] = [(x32 & (STEPS - 1)) * 4, (y32 & (STEPS - 1)) * 4];
  let [red, green, blue] = [0, 0, 0];
  for (let row = 0; row < 4; row++) {
    const rowWeight = WEIGHTS[rowWeights + row] as number;
    const start = within(top + row, height - 1) * width;
    for (let column = 0; column < 4; column++) {
      const weight = rowWeight * (WEIGHTS[columnWeights + column] as number);
      const from = (start + within(left + column, width - 1)) * 3;
      red += weight * (data[from] as number);
      green += weight * (data[from + 1] as number);
      blue += weight * (data[from + 2] as number);
    }
  }
  result[to] = toByte(red);
  result[to + 1] = toByte(green);
  result[to + 2] = toByte(blue);
}

function tapWeight(tap: number, position: number): number {
  const far = Math.abs(position + 1 - tap);
  if (far <= 1) return (SHARPNESS + 2) * far ** 3 - (SHARPNESS + 3) * far ** 2 + 1;
  return SHARPNESS * (far ** 3 - 5 * far ** 2 + 8 * far - 4);
}

function turnLeft({ width, height, data }: Picture): Picture {
  const turned = new Uint8Array(data.length);
  let to = 0;
  for (let x = width - 1; x >= 0; x--) {
    for (let y = 0; y < height; y++, to += 3) {
      const from = (y * width + x) * 3;
      turned.set(data.subarray(from, from + 3), to);
    }
  }
  return { width: height, height: width, data: turned };
}

function within(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value;
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 0.5);
}
