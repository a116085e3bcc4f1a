import { CROP_SIDE } from './align.js';
import type { Detection } from './detection.js';
import type { Point } from '../image/point.js';

/** How good a face is for telling who it is. A rule of thumb, meant for sorting and for leaving out the worst. */
export interface FaceQuality {
  /** 0 to 1: the worst of the parts for size, sharpness and pose. */
  readonly score: number;
  /** The shorter side of the box in pixels. */
  readonly size: number;
  /** Variance of the Laplacian of the aligned face's brightness (0 to 255); a blurred or enlarged face has little. */
  readonly sharpness: number;
  /** 0: the nose is midway between the eyes; -1 or 1: below the left or the right one. */
  readonly yaw: number;
  /** Where the nose is from the eyes (0) to the mouth (1); about 0.55 from the front. */
  readonly pitch: number;
  /** Turn of the line through the eyes, in degrees, clockwise. Costs nothing: faces are turned upright. */
  readonly roll: number;
}

/** At these values a face is as good as it needs to be. */
const ENOUGH = { size: CROP_SIDE, sharpness: 300 } as const;
/** What detectors' landmarks give for faces that look straight ahead. */
const FRONTAL_PITCH = 0.55;

/** Judges a detection by its box, its landmarks and the aligned crop (`112 x 112 x 3` bytes). */
export function judgeFace({ box, landmarks }: Detection, crop: Uint8Array): FaceQuality {
  const size = Math.min(box.x2 - box.x1, box.y2 - box.y1);
  const sharpness = laplacianVariance(crop);
  const pose = poseOf(landmarks);
  const frontal = 1 - Math.max(Math.abs(pose.yaw), 2 * Math.abs(pose.pitch - FRONTAL_PITCH));
  const parts = [size / ENOUGH.size, sharpness / ENOUGH.sharpness, frontal];
  return { score: Math.max(0, Math.min(1, ...parts)), size, sharpness, ...pose };
}

/** In the face's own axes: along the line through the eyes, and across it. */
function poseOf(landmarks: readonly Point[]): Pick<FaceQuality, 'yaw' | 'pitch' | 'roll'> {
  const [left = [0, 0], right = [0, 0], nose = [0, 0], mouthLeft = [0, 0], mouthRight = [0, 0]] = landmarks;
  const eyes = middle(left, right);
  const mouth = middle(mouthLeft, mouthRight);
  const [x, y] = [right[0] - left[0], right[1] - left[1]];
  const span = Math.hypot(x, y) || 1;
  const along = (point: Point): number => ((point[0] - eyes[0]) * x + (point[1] - eyes[1]) * y) / span;
  const across = (point: Point): number => ((point[1] - eyes[1]) * x - (point[0] - eyes[0]) * y) / span;
  return {
    yaw: along(nose) / (span / 2),
    pitch: across(nose) / (across(mouth) || 1),
    roll: (Math.atan2(y, x) * 180) / Math.PI,
  };
}

function middle(one: Point, other: Point): Point {
  return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
}

function laplacianVariance(crop: Uint8Array): number {
  const light = new Float32Array(CROP_SIDE * CROP_SIDE);
  for (let i = 0; i < light.length; i++) {
    light[i] =
      0.299 * (crop[i * 3] as number) + 0.587 * (crop[i * 3 + 1] as number) + 0.114 * (crop[i * 3 + 2] as number);
  }
  const at = (index: number): number => light[index] as number;
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 1; y < CROP_SIDE - 1; y++) {
    for (let x = 1; x < CROP_SIDE - 1; x++) {
      const i = y * CROP_SIDE + x;
      const value = at(i - 1) + at(i + 1) + at(i - CROP_SIDE) + at(i + CROP_SIDE) - 4 * at(i);
      sum += value;
      squares += value * value;
      count += 1;
    }
  }
  return squares / count - (sum / count) ** 2;
}
