import { centredPlanes, writePlanes, type PlaneFormat } from '../image/planes.js';
import { resizeBilinear } from '../image/resize-bilinear.js';
import type { Picture } from './canvas.js';

/** Height of a line as classifier and recogniser take it, in pixels. */
export const STRIP_HEIGHT = 48;

/** A line of text, 48 pixels high, RGB. */
export interface Strip {
  readonly width: number;
  readonly data: Uint8Array;
}

/** What the graphs of PP-OCR are trained on: (value - 127.5) / 127.5, blue first. */
export const TEXT_PLANES: PlaneFormat = { ...centredPlanes(127.5), order: 'bgr' };

/** A line resized to the height of strips; one that would be wider than `widest` is squeezed into it. */
export function fitStrip(line: Picture, widest: number): Strip {
  const width = Math.min(Math.ceil((STRIP_HEIGHT * line.width) / line.height), widest);
  const data = new Uint8Array(width * STRIP_HEIGHT * 3);
  resizeBilinear(line, { width, height: STRIP_HEIGHT, data, rowBytes: width * 3 });
  return { width, data };
}

/** The strip turned by half a turn. */
export function turnOver({ width, data }: Strip): Strip {
  const turned = new Uint8Array(data.length);
  for (let from = 0, to = data.length - 3; to >= 0; from += 3, to -= 3) {
    turned.set(data.subarray(from, from + 3), to);
  }
  return { width, data: turned };
}

/** A tensor's content for strips of at most `width`: each at the left of its picture, with zeros after it. */
export function stripTensor(strips: readonly Strip[], width: number, rows: number): Float32Array {
  const plane = STRIP_HEIGHT * width;
  const tensor = new Float32Array(rows * 3 * plane);
  strips.forEach((strip, index) => {
    const planes = new Float32Array(strip.data.length);
    writePlanes(planes, 0, strip.data, TEXT_PLANES);
    for (let row = 0; row < 3 * STRIP_HEIGHT; row++) {
      const line = planes.subarray(row * strip.width, (row + 1) * strip.width);
      tensor.set(line, index * 3 * plane + row * width);
    }
  });
  return tensor;
}
