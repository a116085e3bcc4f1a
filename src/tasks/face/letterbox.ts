import type { Photo } from '../task.js';
import { resizeBilinear } from '../image/resize-bilinear.js';

type Picture = Pick<Photo, 'width' | 'height' | 'data' | 'region'>;

/** A photo as a detector sees it: shrunk or enlarged to fit, at the top left of a black square. */
export interface Letterbox {
  /** Side of the square in pixels. */
  readonly side: number;
  /** Size of the photo within it; 0 where a photo is so narrow that nothing of it remains. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the square per pixel of the original, across and down alike. */
  readonly scale: number;
  /** Where the original's pixel lies that is at the top left of the square; above 0 only where a decoder left some out. */
  readonly left: number;
  readonly top: number;
  /** `side x side x 3` bytes, RGB. */
  readonly data: Uint8Array;
}

/**
 * Fits a photo into `within x within` pixels of a square of `side`, with insightface's roundings: the other side is cut
 * to whole pixels, and the scale is that of the heights. A photo that the decoder shrank is fitted as its original would be.
 */
export function letterbox(photo: Picture, side: number, within = side): Letterbox {
  const shown = photo.region ?? { left: 0, top: 0, width: photo.width, height: photo.height };
  const { width, height } = fit(shown, within);
  const data = new Uint8Array(side * side * 3);
  if (width > 0 && height > 0) resizeBilinear(photo, { width, height, data, rowBytes: side * 3 });
  return { side, width, height, scale: height / shown.height, left: shown.left, top: shown.top, data };
}

function fit({ width, height }: { width: number; height: number }, side: number): { width: number; height: number } {
  const ratio = height / width;
  return ratio > 1
    ? { width: Math.trunc(side / ratio), height: side }
    : { width: side, height: Math.trunc(side * ratio) };
}
