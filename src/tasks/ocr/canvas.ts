import { resizeBilinear } from '../image/resize-bilinear.js';
import { roundHalfEven } from '../image/round-half-even.js';
import type { Point } from '../image/point.js';
import type { Photo } from '../task.js';

/** RGB pixels without padding. */
export type Picture = Pick<Photo, 'width' | 'height' | 'data'>;

/** A photo at the size at which its text is looked for and read. */
export interface Canvas extends Picture {
  /** Brings a point of the canvas to where it is in the photo, which it can't leave. */
  readonly toPhoto: (point: Point) => Point;
}

/** Graphs of this family take sides that are multiples of this. */
const STEP = 32;
/** A shorter side is enlarged to this. */
const LEAST_SIDE = 30;
/** A line that is wider than this many heights gets black bars above and below: the detector knows no such strips. */
const WIDEST = 8;
/** The detector is trained on pictures whose shorter side is no shorter. */
const DETECTION_SIDE = 736;
/** Keeps a tall strip from becoming a tensor of any length; a wide one has its bars. */
const LONGEST_DETECTION = WIDEST * DETECTION_SIDE;

/** Shrinks a photo whose longer side exceeds `longest`, enlarges one that is hardly there, and puts bars to a strip. */
export function fitCanvas(photo: Picture, longest: number): Canvas {
  const { width, height } = canvasSize(photo, longest);
  const bar = height <= LEAST_SIDE || width / height > WIDEST ? barHeight(width, height) : 0;
  const data =
    bar === 0 && width === photo.width && height === photo.height
      ? photo.data
      : new Uint8Array(width * (height + 2 * bar) * 3);
  if (data !== photo.data) {
    resizeBilinear(photo, { width, height, data: data.subarray(bar * width * 3), rowBytes: width * 3 });
  }
  const toPhoto = ([x, y]: Point): Point => [
    clamp((x * photo.width) / width, photo.width),
    clamp(((y - bar) * photo.height) / height, photo.height),
  ];
  return { width, height: height + 2 * bar, data, toPhoto };
}

/** The canvas as the detector takes it. */
export function fitDetection(canvas: Picture): Picture {
  const [shorter, longer] = sides(canvas);
  const scale = Math.min(Math.max(1, DETECTION_SIDE / shorter), Math.max(1, LONGEST_DETECTION / longer));
  const { width, height } = scaledSize(canvas, scale);
  if (width === canvas.width && height === canvas.height) return canvas;
  const data = new Uint8Array(width * height * 3);
  resizeBilinear(canvas, { width, height, data, rowBytes: width * 3 });
  return { width, height, data };
}

function canvasSize(photo: Picture, longest: number): { readonly width: number; readonly height: number } {
  const [shorter, longer] = sides(photo);
  if (longer > longest) return scaledSize(photo, longest / longer);
  if (shorter < LEAST_SIDE) return scaledSize(photo, Math.min(LEAST_SIDE / shorter, longest / longer));
  return photo;
}

function sides({ width, height }: Picture): readonly [shorter: number, longer: number] {
  return [Math.min(width, height), Math.max(width, height)];
}

function scaledSize({ width, height }: Picture, scale: number): { readonly width: number; readonly height: number } {
  const scaled = (side: number): number => Math.max(STEP, roundHalfEven(Math.trunc(side * scale) / STEP) * STEP);
  return { width: scaled(width), height: scaled(height) };
}

function barHeight(width: number, height: number): number {
  return Math.trunc((2 * Math.max(Math.trunc(width / WIDEST), LEAST_SIDE) - height) / 2);
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}
