import { describe, expect, it } from 'vitest';
import { judgeFace } from '../../../src/tasks/face/quality.js';
import type { Point } from '../../../src/tasks/image/point.js';

const box = { x1: 0, y1: 0, x2: 120, y2: 150 };
/** Eyes 40 apart, the mouth 40 below them, the nose at 0.55 of the way. */
const frontal: readonly Point[] = [
  [30, 50],
  [70, 50],
  [50, 72],
  [35, 90],
  [65, 90],
];
const crop = (light: (x: number, y: number) => number): Uint8Array =>
  Uint8Array.from({ length: 112 * 112 * 3 }, (_, i) => light(Math.floor(i / 3) % 112, Math.floor(i / 336)));
const checkers = crop((x, y) => ((x + y) % 2 === 0 ? 200 : 100));
const judge = (landmarks = frontal, pixels = checkers, size = box) =>
  judgeFace({ box: size, score: 0.9, landmarks }, pixels);

describe('judgeFace', () => {
  it('is content with a large, sharp, frontal face', () => {
    const quality = judge();
    expect(quality.score).toBeCloseTo(1, 10);
    expect(quality.size).toBe(120);
    expect(quality.yaw).toBeCloseTo(0, 12);
    expect(quality.pitch).toBeCloseTo(0.55, 12);
    expect(quality.roll).toBeCloseTo(0, 12);
  });

  it('measures the variance of the Laplacian', () => {
    // Each pixel of the checkers is 4 x 100 from its neighbours' sum, half of them up, half down.
    expect(judge().sharpness).toBeCloseTo(160_000, 0);
    expect(
      judge(
        frontal,
        crop(() => 77),
      ).sharpness,
    ).toBeCloseTo(0, 6);
    expect(
      judge(
        frontal,
        crop((x) => x),
      ).sharpness,
    ).toBeCloseTo(0, 6);
  });

  it('tells a turn to the side by the nose, in the axes of the face', () => {
    const side: readonly Point[] = frontal.map((point, i) => (i === 2 ? [60, 72] : point));
    expect(judge(side).yaw).toBeCloseTo(0.5, 12);
    expect(judge(side).score).toBeCloseTo(0.5, 12);
    // The same face lying on its side.
    const lying = side.map(([x, y]): Point => [-y, x]);
    expect(judge(lying).yaw).toBeCloseTo(0.5, 12);
    expect(judge(lying).pitch).toBeCloseTo(0.55, 12);
    expect(judge(lying).roll).toBeCloseTo(90, 12);
  });

  it('is as good as its worst part, from 0 to 1', () => {
    expect(judge(frontal, checkers, { ...box, x2: 28 }).score).toBeCloseTo(0.25, 12);
    expect(
      judge(
        frontal,
        crop(() => 77),
      ).score,
    ).toBeCloseTo(0, 12);
    const profile: readonly Point[] = frontal.map((point, i) => (i === 2 ? [95, 72] : point));
    expect(judge(profile).score).toBe(0);
  });
});
