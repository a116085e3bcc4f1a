import { decodePhoto, type DecodeSettings } from '../../tasks/image/decode.js';
import { readPhotoFile } from '../../tasks/image/read-file.js';
import { releaseFile, releasePhoto } from '../../tasks/image/release.js';
import { configureSharp, makeThumbnail } from '../../tasks/image/sharp.js';
import type { Photo } from '../../tasks/task.js';
import { pathOf, type FoundFace } from './scan-photos.js';

/** For sharp screens, twice the size at which they are shown. */
const SIDE = 144;

/** What is shown around a face, as a share of its longer side. */
const MARGIN = 0.25;

export interface ThumbnailOptions {
  readonly roots: readonly string[];
  readonly maxFileBytes: number;
  readonly decode: DecodeSettings;
  readonly signal: AbortSignal;
}

/**
 * Cuts faces out of their photos, upright. Each photo is read and decoded once, one after the other; faces of a photo that
 * can't be read any more are left out.
 * @returns JPEGs as `data:` addresses
 * @throws the signal's reason
 */
export async function makeThumbnails(
  faces: readonly FoundFace[],
  options: ThumbnailOptions,
): Promise<ReadonlyMap<FoundFace, string>> {
  configureSharp({ blockDecoders: true });
  const thumbnails = new Map<FoundFace, string>();
  const byPhoto = new Map<string, FoundFace[]>();
  for (const face of faces) byPhoto.set(face.photo.key, [...(byPhoto.get(face.photo.key) ?? []), face]);
  for (const own of byPhoto.values()) {
    options.signal.throwIfAborted();
    const photo = await readPhoto(own, options).catch(() => undefined);
    if (photo === undefined) continue;
    for (const found of own) {
      const jpeg = await makeThumbnail({ pixels: photo, side: SIDE, ...regionOf(found, photo) });
      thumbnails.set(found, `data:image/jpeg;base64,${jpeg.toString('base64')}`);
    }
    releasePhoto(photo);
  }
  return thumbnails;
}

async function readPhoto(faces: readonly FoundFace[], options: ThumbnailOptions): Promise<Photo | undefined> {
  const { roots, maxFileBytes, decode } = options;
  const [first] = faces;
  if (first === undefined) return undefined;
  const bytes = await readPhotoFile(pathOf(first.photo), { roots, isTrusted: false, maxFileBytes });
  const photo = await decodePhoto(bytes, { settings: decode });
  releaseFile(bytes);
  return photo;
}

/** The square around a face as far as it lies in the photo, in whole pixels; a pixel at least. */
function regionOf(
  { face: { box } }: FoundFace,
  { width, height }: Photo,
): { readonly left: number; readonly top: number; readonly width: number; readonly height: number } {
  const half = (Math.max(box.x2 - box.x1, box.y2 - box.y1) / 2) * (1 + 2 * MARGIN);
  const [middleX, middleY] = [(box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2];
  const clamp = (value: number, most: number): number => Math.max(0, Math.min(Math.round(value), most));
  const left = clamp(middleX - half, width - 1);
  const top = clamp(middleY - half, height - 1);
  return {
    left,
    top,
    width: Math.max(1, clamp(middleX + half, width) - left),
    height: Math.max(1, clamp(middleY + half, height) - top),
  };
}
