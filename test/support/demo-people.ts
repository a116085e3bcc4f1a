import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './program.js';

export const GALLERY = path.join(ROOT, 'examples', 'demo-gallery');
export const GALLERY_PHOTOS = path.join(GALLERY, 'photos');

/** A face that was drawn into a photo of the demo gallery, in its pixels. */
export interface DrawnFace {
  readonly person: string;
  /** Left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
  /** Eyes, nose, corners of the mouth. */
  readonly landmarks: readonly (readonly [number, number])[];
}

/** The drawn faces of the demo gallery, by photo; the other photos show nobody. */
export const drawnFaces = new Map(
  Object.entries(
    JSON.parse(readFileSync(path.join(GALLERY, 'faces.json'), 'utf8')) as Record<string, readonly DrawnFace[]>,
  ),
);

/** All photos of the demo gallery, as the demo takes them. */
export const galleryPhotos: readonly string[] = readdirSync(GALLERY_PHOTOS).sort();

/** The photos that a person is in, by person. */
export function photosOfPeople(): ReadonlyMap<string, readonly string[]> {
  const photos = new Map<string, string[]>();
  for (const [photo, faces] of drawnFaces) {
    for (const { person } of faces) photos.set(person, [...(photos.get(person) ?? []), photo]);
  }
  return photos;
}
