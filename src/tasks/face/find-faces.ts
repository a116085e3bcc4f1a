import type { Photo } from '../task.js';
import { clampBox, mapDetection, type Detection } from './detection.js';
import { letterbox, type Letterbox } from './letterbox.js';
import { suppressOverlaps } from './non-maximum.js';
import type { Point } from '../image/point.js';
import { turnLetterbox, type Turn } from './turn.js';

export interface FindOptions {
  /** Side of the square that the detector sees, in pixels. */
  readonly side: number;
  /** Overlap (intersection over union) from which on two detections are one face. */
  readonly maxOverlap: number;
  /** Whether a photo without a face, or with one that fills it, is looked at again, smaller and turned. */
  readonly ladder: boolean;
  /** Looks at one square; calls that come together may share a run. */
  readonly detect: (square: Uint8Array) => Promise<readonly Detection[]>;
}

/** A face is called large once it takes this part of the photo: detectors know few that are so near. */
const LARGE = 0.5;
const TURNS: readonly Turn[] = [90, 180, 270];

/** The faces of a photo in pixels of the original, the best first; a box may reach out of the photo, but not lie beside it. */
export async function findFaces(photo: Photo, options: FindOptions): Promise<readonly Detection[]> {
  const { side, maxOverlap, ladder } = options;
  const square = letterbox(photo, side);
  // Of a photo that is 640 times longer than wide nothing is left.
  if (square.width === 0 || square.height === 0) return [];
  const found = toPhoto(await options.detect(square.data), square);
  const faces = suppressOverlaps(found, maxOverlap).filter((face) => areaIn(photo, face) > 0);
  if (!ladder || (faces.length > 0 && !faces.some((face) => isLarge(face, photo)))) return faces;
  const all = suppressOverlaps([...found, ...(await climb(photo, square, options))], maxOverlap);
  return all.filter((face) => areaIn(photo, face) > 0);
}

/** Half the size, where a face that fills the frame is of a usual size, and the three other ways up: four squares. */
async function climb(photo: Photo, square: Letterbox, { side, detect }: FindOptions): Promise<readonly Detection[]> {
  const small = letterbox(photo, side, side / 2);
  const rungs = [
    detect(small.data).then((found) => toPhoto(found, small)),
    ...TURNS.map(async (turn) => {
      const { data, back } = turnLetterbox(square, turn);
      const found = await detect(data);
      return toPhoto(
        found.map((detection) => mapDetection(detection, back)),
        square,
      );
    }),
  ];
  return (await Promise.all(rungs)).flat();
}

function toPhoto(detections: readonly Detection[], { scale, left, top }: Letterbox): readonly Detection[] {
  const move = ([x, y]: Point): Point => [left + x / scale, top + y / scale];
  return detections.map((detection) => mapDetection(detection, move));
}

function isLarge(face: Detection, photo: Photo): boolean {
  return areaIn(photo, face) >= LARGE * photo.originalWidth * photo.originalHeight;
}

/** How much of a face lies in the photo, in pixels; none of one that was found in the black beside it. */
function areaIn({ originalWidth, originalHeight }: Photo, { box }: Detection): number {
  const { x1, y1, x2, y2 } = clampBox(box, originalWidth, originalHeight);
  return (x2 - x1) * (y2 - y1);
}
