import type { Point } from '../image/point.js';

/** A rectangle in pixels; `x2` and `y2` are its right and lower border. */
export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** A face that a detector found. */
export interface Detection {
  readonly box: Box;
  /** 0 to 1. */
  readonly score: number;
  /** The eyes, the nose, the corners of the mouth; what is left in the picture comes first. */
  readonly landmarks: readonly Point[];
}

/** The detection with every point moved by `move`; a turn may swap the box's borders. */
export function mapDetection({ box, score, landmarks }: Detection, move: (point: Point) => Point): Detection {
  const [x1, y1] = move([box.x1, box.y1]);
  const [x2, y2] = move([box.x2, box.y2]);
  return {
    box: { x1: Math.min(x1, x2), y1: Math.min(y1, y2), x2: Math.max(x1, x2), y2: Math.max(y1, y2) },
    score,
    landmarks: landmarks.map(move),
  };
}

/** The part of a box that lies in a picture. */
export function clampBox({ x1, y1, x2, y2 }: Box, width: number, height: number): Box {
  const across = (x: number): number => Math.max(0, Math.min(x, width));
  const down = (y: number): number => Math.max(0, Math.min(y, height));
  return { x1: across(x1), y1: down(y1), x2: across(x2), y2: down(y2) };
}
