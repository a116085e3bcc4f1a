import type { Photo } from '../task.js';
import type { Point } from '../image/point.js';
import { fitSimilarity } from './similarity.js';
import { warpSimilarity } from './warp.js';

/** Side of an aligned face in pixels. */
export const CROP_SIDE = 112;
export const CROP_BYTES = CROP_SIDE * CROP_SIDE * 3;

/**
 * Where eyes, nose and corners of the mouth lie in an aligned face, in the order of the landmarks. insightface has these
 * numbers in single precision, which moves some pixels.
 */
const TEMPLATE: readonly Point[] = (
  [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
  ] as const
).map(([x, y]) => [Math.fround(x), Math.fround(y)]);

type Picture = Pick<Photo, 'width' | 'height' | 'data' | 'region'>;

/**
 * The face with these five landmarks (in pixels of the original), turned and scaled onto the template: `112 x 112 x 3`
 * bytes, RGB, black where it reaches out of the photo. Undefined where the landmarks are no face (all on one spot).
 */
export function alignFace(photo: Picture, landmarks: readonly Point[]): Uint8Array | undefined {
  const transform = fitSimilarity(toPixels(photo, landmarks), TEMPLATE);
  return transform === undefined ? undefined : warpSimilarity(photo, transform, CROP_SIDE);
}

/** How much the face with these landmarks is enlarged, or below 1 made smaller, to fit the template; 0 where it is none. */
export function enlargement(photo: Picture, landmarks: readonly Point[]): number {
  const transform = fitSimilarity(toPixels(photo, landmarks), TEMPLATE);
  return transform === undefined ? 0 : Math.hypot(transform.a, transform.b);
}

/** From pixels of the original to those of a photo that was shrunk, both with whole numbers in the middle of a pixel. */
function toPixels({ width, height, region }: Picture, points: readonly Point[]): readonly Point[] {
  if (region === undefined) return points;
  const [across, down] = [width / region.width, height / region.height];
  return points.map(([x, y]): Point => [(x - region.left + 0.5) * across - 0.5, (y - region.top + 0.5) * down - 0.5]);
}
