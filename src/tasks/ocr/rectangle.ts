import type { Point } from '../image/point.js';

/** Four corners, clockwise from the top left one. */
export type Corners = readonly [Point, Point, Point, Point];

/** A rectangle that may be tilted. */
export interface Rectangle {
  readonly corners: Corners;
  readonly shorterSide: number;
}

/** The rectangle of the least area that holds all points, one of whose sides lies on their convex hull. */
export function smallestRectangle(points: readonly Point[], margin = 0): Rectangle {
  const hull = convexHull(points);
  let best = boundsAlong(hull, [1, 0]);
  let isFirst = true;
  hull.forEach(([x, y], index) => {
    const [nextX, nextY] = hull[(index + 1) % hull.length] ?? [x, y];
    const length = Math.hypot(nextX - x, nextY - y);
    if (length === 0) return;
    const bounds = boundsAlong(hull, [(nextX - x) / length, (nextY - y) / length]);
    if (isFirst || areaOf(bounds, margin) < areaOf(best, margin)) best = bounds;
    isFirst = false;
  });
  return toRectangle(best, margin);
}

/** The left two and the right two by their height, as PP-OCR puts corners in order. */
export function orderClockwise(points: readonly Point[]): Corners {
  const [a = ORIGIN, b = ORIGIN, c = ORIGIN, d = ORIGIN] = [...points].sort(([x], [otherX]) => x - otherX);
  const [topLeft, bottomLeft] = b[1] > a[1] ? [a, b] : [b, a];
  const [topRight, bottomRight] = d[1] > c[1] ? [c, d] : [d, c];
  return [topLeft, topRight, bottomRight, bottomLeft];
}

/** The same corners elsewhere. */
export function mapCorners([one, two, three, four]: Corners, move: (point: Point) => Point): Corners {
  return [move(one), move(two), move(three), move(four)];
}

export function distance([x, y]: Point, [otherX, otherY]: Point): number {
  return Math.hypot(x - otherX, y - otherY);
}

const ORIGIN: Point = [0, 0];

/** Bounds of points along a direction and across it. */
interface Bounds {
  readonly direction: Point;
  readonly from: Point;
  readonly to: Point;
}

function boundsAlong(points: readonly Point[], [across, down]: Point): Bounds {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    const [along, aside] = [x * across + y * down, y * across - x * down];
    left = Math.min(left, along);
    right = Math.max(right, along);
    top = Math.min(top, aside);
    bottom = Math.max(bottom, aside);
  }
  return { direction: [across, down], from: [left, top], to: [right, bottom] };
}

function areaOf({ from, to }: Bounds, margin: number): number {
  return (to[0] - from[0] + 2 * margin) * (to[1] - from[1] + 2 * margin);
}

function toRectangle({ direction: [across, down], from, to }: Bounds, margin: number): Rectangle {
  const [left, top, right, bottom] = [from[0] - margin, from[1] - margin, to[0] + margin, to[1] + margin];
  const back = (along: number, aside: number): Point => [along * across - aside * down, along * down + aside * across];
  const corners = orderClockwise([back(left, top), back(right, top), back(right, bottom), back(left, bottom)]);
  return { corners, shorterSide: Math.min(right - left, bottom - top) };
}

/** Andrew's monotone chain: the hull's corners in order round it, without those that lie on a side. */
function convexHull(points: readonly Point[]): readonly Point[] {
  const sorted = [...points].sort(([x, y], [otherX, otherY]) => y - otherY || x - otherX);
  const lower = halfHull(sorted);
  const upper = halfHull(sorted.reverse());
  return [...lower.slice(0, -1), ...upper.slice(0, -1), ...(sorted.length === 1 ? sorted : [])];
}

function halfHull(sorted: readonly Point[]): readonly Point[] {
  const chain: Point[] = [];
  for (const point of sorted) {
    while (chain.length >= 2 && turn(chain.at(-2) ?? point, chain.at(-1) ?? point, point) <= 0) chain.pop();
    chain.push(point);
  }
  return chain;
}

/** Above 0 where the way over three points turns to one side, below where it turns to the other. */
function turn([x, y]: Point, [middleX, middleY]: Point, [endX, endY]: Point): number {
  return (middleX - x) * (endY - y) - (middleY - y) * (endX - x);
}
