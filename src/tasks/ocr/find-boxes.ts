import { roundHalfEven } from '../image/round-half-even.js';
import type { Point } from '../image/point.js';
import { distance, orderClockwise, smallestRectangle, type Corners } from './rectangle.js';
import { findRegions, type Mask } from './regions.js';

/** How probable it is for each pixel that it belongs to a line's core. */
export interface TextMap {
  readonly width: number;
  readonly height: number;
  /** 0 to 1. */
  readonly data: Float32Array;
}

/** A line of text that was found, but not read yet. */
export interface TextBox {
  /** In whole pixels of the canvas. */
  readonly corners: Corners;
  /** Mean probability, 0 to 1. */
  readonly score: number;
}

/** From this probability on a pixel belongs to a line's core. */
const CORE = 0.3;
/** Of the core's area, over its girth: by how much the core is grown, as training has shrunk it. */
const GROWTH = 1.6;
/** Of more regions the last ones are looked at. */
const MAX_REGIONS = 1000;
/** Least shorter side of a core, and of what was grown from one, in pixels of the map. */
const LEAST_CORE = 3;
const LEAST_GROWN = 5;
/** Least side of a box, in whole pixels of the canvas. */
const LEAST_BOX = 4;

/**
 * What DBNet's map says: the regions above the threshold, each as the smallest rectangle round it, grown to the line's
 * whole size. In no particular order.
 */
export function findBoxes(
  map: TextMap,
  { width, height }: { readonly width: number; readonly height: number },
  threshold: number,
): readonly TextBox[] {
  const toCanvas = ([x, y]: Point): Point => [
    within(roundHalfEven((x / map.width) * width), width - 1),
    within(roundHalfEven((y / map.height) * height), height - 1),
  ];
  return findRegions(dilatedCore(map))
    .slice(0, MAX_REGIONS)
    .flatMap((region) => {
      const { corners, shorterSide } = smallestRectangle(region);
      if (shorterSide < LEAST_CORE) return [];
      const score = meanInside(map, corners);
      if (score < threshold) return [];
      const grown = grow(corners);
      if (grown.shorterSide < LEAST_GROWN) return [];
      const box = orderClockwise(grown.corners.map(toCanvas));
      const sides = [distance(box[0], box[1]), distance(box[0], box[3])];
      return sides.some((side) => Math.trunc(side) < LEAST_BOX) ? [] : [{ corners: box, score }];
    });
}

/** The pixels above the threshold, each with its neighbours to the right, below and between the two. */
function dilatedCore({ width, height, data }: TextMap): Mask {
  const mask = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      // Plain loops: there are millions of pixels, and few of them are text.
      if (!((data[at] as number) > CORE)) continue;
      const isInside = x + 1 < width;
      mask[at] = 1;
      if (isInside) mask[at + 1] = 1;
      if (y + 1 < height) mask.fill(1, at + width, at + width + (isInside ? 2 : 1));
    }
  }
  return { width, height, data: mask };
}

/** The rectangle round the corners, cut to whole pixels, moved out by area x growth / girth. */
function grow(corners: Corners): ReturnType<typeof smallestRectangle> {
  const across = distance(corners[0], corners[1]);
  const down = distance(corners[0], corners[3]);
  const margin = (across * down * GROWTH) / (2 * (across + down));
  const whole = corners.map(([x, y]): Point => [Math.trunc(x), Math.trunc(y)]);
  return smallestRectangle(whole, margin);
}

/** Mean of the map in a rectangle, its border included. */
function meanInside({ width, height, data }: TextMap, corners: Corners): number {
  const rows = new Map<number, readonly [from: number, to: number]>();
  corners.forEach(([x, y], index) => {
    const [endX, endY] = corners[(index + 1) % corners.length] ?? [x, y];
    for (const [column, row] of lineBetween([Math.trunc(x), Math.trunc(y)], [Math.trunc(endX), Math.trunc(endY)])) {
      const [from, to] = rows.get(row) ?? [column, column];
      rows.set(row, [Math.min(from, column), Math.max(to, column)]);
    }
  });
  let sum = 0;
  let count = 0;
  for (const [y, [from, to]] of rows) {
    if (y < 0 || y >= height) continue;
    for (let x = Math.max(0, from); x <= Math.min(to, width - 1); x++) sum += data[y * width + x] as number;
    count += Math.max(0, Math.min(to, width - 1) - Math.max(0, from) + 1);
  }
  return count === 0 ? 0 : sum / count;
}

/** The pixels from one to another. */
function* lineBetween([x, y]: Point, [endX, endY]: Point): Generator<Point> {
  const steps = Math.max(Math.abs(endX - x), Math.abs(endY - y), 1);
  for (let step = 0; step <= steps; step++) {
    yield [Math.round(x + ((endX - x) * step) / steps), Math.round(y + ((endY - y) * step) / steps)];
  }
}

function within(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}
