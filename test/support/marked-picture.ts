import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { Face } from '../../dist/index.js';

/** The face models of the tests, see `tools/face-fixtures.py`: a face is a red square of 32 pixels on their grid. */
const folder = (name: string): string => fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));
export const MARKER = folder('face-marker');
export const MARKER_BATCHED = folder('face-marker-batched');
export const MARKER_OPENCV = folder('face-marker-opencv');

const CELL = 32;
/** Reds that differ enough for their vectors to differ, and that the models take for faces. */
export const REDS = ['#ff2020', '#ff3020', '#ff2040', '#ff4030', '#ff2838', '#ff3838'] as const;
/** Makes the detector answer NaN where it is the first cell. */
export const NO_DETECTION = '#0000ff';
/** A face for which the recogniser answers NaN. */
export const NO_EMBEDDING = '#ff0000';

export interface Mark {
  /** In pixels. */
  readonly x: number;
  readonly y: number;
  readonly side?: number;
  readonly color?: string;
}

/** A mark that fills the cell at a column and row of the grid. */
export function cell(column: number, row: number, color: string = REDS[0]): Mark {
  return { x: column * CELL, y: row * CELL, color };
}

/** RGB pixels: grey, with marks on it. */
export function markedPixels(marks: readonly Mark[], width = 640, height = 480): Buffer {
  const pixels = Buffer.alloc(width * height * 3, 128);
  for (const { x, y, side = CELL, color = REDS[0] } of marks) {
    const rgb = Buffer.from(color.slice(1), 'hex');
    for (let row = y; row < y + side; row++) {
      for (let column = x; column < x + side; column++) rgb.copy(pixels, (row * width + column) * 3);
    }
  }
  return pixels;
}

/** The same as a PNG. */
export function markedPicture(marks: readonly Mark[], width = 640, height = 480): Promise<Buffer> {
  return sharp(markedPixels(marks, width, height), { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Corners of a face's box, rounded to whole pixels. */
export function corners({ box }: Pick<Face, 'box'>): readonly number[] {
  return [box.x1, box.y1, box.x2, box.y2].map(Math.round);
}

/** Those of many, from left to right and top to bottom. */
export function sortedCorners(faces: readonly Pick<Face, 'box'>[]): readonly (readonly number[])[] {
  return faces.map(corners).sort((one, other) => (one[1] ?? 0) - (other[1] ?? 0) || (one[0] ?? 0) - (other[0] ?? 0));
}
