import type { Point } from '../image/point.js';

/** `x' = a x - b y + tx`, `y' = b x + a y + ty`: turn, scale and shift, never a reflection. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly tx: number;
  readonly ty: number;
}

/**
 * The similarity that brings `from` closest to `to` in the sense of least squares (Umeyama, without reflection).
 * With the centred points as complex numbers it is `z = sum(conj(p) q) / sum(|p|^2)`. Undefined where all points of
 * `from` are one, or not finite.
 */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity | undefined {
  const [fromX, fromY] = meanOf(from);
  const [toX, toY] = meanOf(to);
  let real = 0;
  let imaginary = 0;
  let spread = 0;
  from.forEach(([x, y], index) => {
    const [u, v] = to[index] ?? [toX, toY];
    const [px, py, qx, qy] = [x - fromX, y - fromY, u - toX, v - toY];
    real += px * qx + py * qy;
    imaginary += px * qy - py * qx;
    spread += px * px + py * py;
  });
  const [a, b] = [real / spread, imaginary / spread];
  if (!Number.isFinite(a) || !Number.isFinite(b) || Math.hypot(a, b) === 0) return undefined;
  return { a, b, tx: toX - (a * fromX - b * fromY), ty: toY - (b * fromX + a * fromY) };
}

function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce<[number, number]>(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}
