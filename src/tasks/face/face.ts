import type { Detection } from './detection.js';
import type { FaceQuality } from './quality.js';

/**
 * A face in a photo. Box and landmarks are in pixels of the original as a person sees it (upright, unless `orientation`
 * is `ignore`); the box is cut off at the photo's borders, landmarks may lie beyond them.
 */
export interface Face extends Detection {
  /** L2-normalised. */
  readonly embedding: Float32Array;
  readonly quality: FaceQuality;
}

/** The faces of one photo, best score first. */
export interface PhotoFaces {
  readonly faces: readonly Face[];
  /** Faces that were found beyond `maxFacesPerPhoto`. */
  readonly dropped: number;
  /** Whether the callback tells landmarks, score and quality, too. */
  readonly isExtended: boolean;
}
