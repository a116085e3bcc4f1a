import { describe, expect, it } from 'vitest';
import { alignFace, enlargement } from '../../../src/tasks/face/align.js';
import { clampBox } from '../../../src/tasks/face/detection.js';
import { letterbox } from '../../../src/tasks/face/letterbox.js';
import { roundHalfEven } from '../../../src/tasks/image/round-half-even.js';
import { fitSimilarity } from '../../../src/tasks/face/similarity.js';
import type { Point } from '../../../src/tasks/image/point.js';
import { turnLetterbox } from '../../../src/tasks/face/turn.js';
import { noise } from '../../support/noise.js';

describe('letterbox', () => {
  it.each([
    [640, 480, 640, 480, 1],
    [480, 640, 480, 640, 1],
    [4000, 3000, 640, 480, 480 / 3000],
    [3000, 2000, 640, 426, 426 / 2000],
    [96, 84, 640, 560, 560 / 84],
    [1, 1, 640, 640, 640],
    [5200, 420, 640, 51, 51 / 420],
    [360, 2600, 88, 640, 640 / 2600],
  ])('fits %i x %i as %i x %i', (width, height, fittedWidth, fittedHeight, scale) => {
    const photo = { width, height, data: new Uint8Array(width * height * 3) };
    const { width: w, height: h, scale: s, data } = letterbox(photo, 640);
    expect([w, h, s]).toEqual([fittedWidth, fittedHeight, scale]);
    expect(data).toHaveLength(640 * 640 * 3);
  });

  it('leaves nothing of a sliver, and the square black', () => {
    const sliver = { width: 3000, height: 3, data: new Uint8Array(9000 * 3).fill(200) };
    const { height, data } = letterbox(sliver, 640);
    expect(height).toBe(0);
    expect(data.every((value) => value === 0)).toBe(true);
  });

  it('can fit into a part of the square', () => {
    const { width, height, scale, data } = letterbox({ width: 8, height: 4, data: new Uint8Array(96).fill(7) }, 64, 32);
    expect([width, height, scale]).toEqual([32, 16, 4]);
    const inside = [...data].filter((_, i) => Math.floor(i / 3) % 64 < 32 && Math.floor(i / 192) < 16);
    expect(new Set(inside)).toEqual(new Set([7]));
    expect(data.reduce((sum, value) => sum + value, 0)).toBe(32 * 16 * 3 * 7);
  });
});

describe('turnLetterbox', () => {
  // Two rows of three pixels in a square of four: 1 2 3 / 4 5 6.
  const picture = [1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const upright = {
    side: 4,
    width: 3,
    height: 2,
    scale: 1,
    left: 0,
    top: 0,
    data: Uint8Array.from(picture.flatMap((value) => [value, value, value])),
  };
  it.each([
    [90, [4, 1, 0, 0, 5, 2, 0, 0, 6, 3, 0, 0, 0, 0, 0, 0]],
    [180, [6, 5, 4, 0, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [270, [3, 6, 0, 0, 2, 5, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0]],
  ] as const)('turns by %i degrees clockwise, and knows the way back', (turn, expected) => {
    const { data, back } = turnLetterbox(upright, turn);
    expect([...data].filter((_, i) => i % 3 === 0)).toEqual(expected);
    expected.forEach((value, i) => {
      if (value === 0) return;
      const [x, y] = back([i % 4, Math.floor(i / 4)]);
      expect(picture[y * 4 + x]).toBe(value);
    });
  });
});

describe('fitSimilarity', () => {
  const points: readonly Point[] = [
    [10, 20],
    [50, 18],
    [31, 45],
    [15, 60],
    [48, 63],
  ];

  it('finds the turn, scale and shift that made the points', () => {
    const [angle, scale, tx, ty] = [0.7, 1.9, -12.5, 30.25];
    const [a, b] = [scale * Math.cos(angle), scale * Math.sin(angle)];
    const moved = points.map(([x, y]): Point => [a * x - b * y + tx, b * x + a * y + ty]);
    const found = fitSimilarity(points, moved);
    expect(found?.a).toBeCloseTo(a, 12);
    expect(found?.b).toBeCloseTo(b, 12);
    expect(found?.tx).toBeCloseTo(tx, 10);
    expect(found?.ty).toBeCloseTo(ty, 10);
  });

  it('is the least-squares fit: any small change of it is worse', () => {
    const target: readonly Point[] = [
      [38.2946, 51.6963],
      [73.5318, 51.5014],
      [56.0252, 71.7366],
      [41.5493, 92.3655],
      [70.7299, 92.2041],
    ];
    const best = fitSimilarity(points, target);
    if (best === undefined) throw new Error('no fit');
    const errorOf = ({ a, b, tx, ty }: typeof best): number =>
      points.reduce((sum, [x, y], i) => {
        const [u, v] = target[i] ?? [0, 0];
        return sum + (a * x - b * y + tx - u) ** 2 + (b * x + a * y + ty - v) ** 2;
      }, 0);
    for (const part of ['a', 'b', 'tx', 'ty'] as const) {
      for (const step of [-1e-4, 1e-4])
        expect(errorOf({ ...best, [part]: best[part] + step })).toBeGreaterThan(errorOf(best));
    }
  });

  it('never reflects: a mirrored face keeps its error rather than being mirrored back', () => {
    const mirrored = points.map(([x, y]): Point => [-x, y]);
    const { a, b, tx, ty } = fitSimilarity(points, mirrored) ?? { a: 0, b: 0, tx: 0, ty: 0 };
    const distances = points.map(([x, y], i) => {
      const [u, v] = mirrored[i] ?? [0, 0];
      return Math.hypot(a * x - b * y + tx - u, b * x + a * y + ty - v);
    });
    expect(Math.max(...distances)).toBeGreaterThan(10);
  });

  it('knows no fit for points on one spot, or for what is no number', () => {
    const spot = points.map((): Point => [5, 5]);
    expect(fitSimilarity(spot, points)).toBeUndefined();
    expect(fitSimilarity([[NaN, 0], ...points.slice(1)], points)).toBeUndefined();
    expect(alignFace(noise(20, 20), spot)).toBeUndefined();
  });

  it('shows the same face in a photo that the decoder shrank, and says how much it is enlarged there', () => {
    const left = 3;
    const full = gradient(left + 120, 120, (x) => 2 * (x - left));
    // Each pixel is the mean of four by four of the region.
    const region = { left, top: 0, width: 120, height: 120 };
    const shrunk = { ...gradient(30, 30, (x) => 2 * (4 * x + 1.5)), region };
    const face: readonly Point[] = [
      [55, 50],
      [75, 50],
      [65, 60],
      [57, 70],
      [73, 70],
    ];
    const [one, other] = [alignFace(full, face), alignFace(shrunk, face)];
    // A forgotten column or half a pixel would make it 3 or more.
    const differences = one!.map((value, i) => Math.abs(value - other![i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    expect(enlargement(shrunk, face) / enlargement(full, face)).toBeCloseTo(4, 9);
    expect(enlargement(full, face)).toBeCloseTo(1.9, 0);
  });
});

describe('clampBox', () => {
  it('cuts a box off at the borders of the picture', () => {
    expect(clampBox({ x1: -5, y1: 3.5, x2: 120, y2: 99 }, 100, 80)).toEqual({ x1: 0, y1: 3.5, x2: 100, y2: 80 });
  });
});

describe('roundHalfEven', () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, -0],
    [-1.5, -2],
    [-2.5, -2],
    [2.4999, 2],
    [-2.6, -3],
  ])('rounds %f to %i', (value, rounded) => expect(roundHalfEven(value) + 0).toBe(rounded + 0));
});

/** A grey picture whose columns have these values. */
function gradient(width: number, height: number, value: (x: number) => number) {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => value(Math.floor(i / 3) % width));
  return { width, height, data };
}
