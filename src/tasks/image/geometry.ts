import type { ImagePreprocess } from '../../model.js';

/** A part of a picture that was resized as a whole. */
export interface ResizedPart {
  /** Size of the whole picture after resizing. */
  readonly width: number;
  readonly height: number;
  /** The part of it that is wanted. */
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

/** Where the pixels of a tensor come from: the picture is resized, and a part of it kept. */
export interface Frame extends ResizedPart {
  /** Where that part lies in the tensor; above 0 only where the crop is larger than the resized picture. */
  readonly padLeft: number;
  readonly padTop: number;
}

/**
 * The frame of a picture of `width x height`, with the roundings of the reference: the longer side truncated, the crop's
 * offsets rounded down.
 */
export function frameOf(width: number, height: number, { mode, size, crop }: Geometry): Frame {
  if (mode === 'squash') {
    return { ...crop, left: 0, top: 0, columns: crop.width, rows: crop.height, padLeft: 0, padTop: 0 };
  }
  const resized =
    width <= height
      ? { width: size, height: Math.trunc((size * height) / width) }
      : { width: Math.trunc((size * width) / height), height: size };
  const across = cutCentre(resized.width, crop.width);
  const down = cutCentre(resized.height, crop.height);
  return {
    ...resized,
    left: across.start,
    top: down.start,
    columns: across.length,
    rows: down.length,
    padLeft: across.pad,
    padTop: down.pad,
  };
}

export type Geometry = Pick<ImagePreprocess, 'mode' | 'size' | 'crop'>;

function cutCentre(length: number, wanted: number): { start: number; length: number; pad: number } {
  const offset = Math.floor((length - wanted) / 2);
  return offset >= 0 ? { start: offset, length: wanted, pad: 0 } : { start: 0, length, pad: -offset };
}
