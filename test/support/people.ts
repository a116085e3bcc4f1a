import type { Patience } from '../../src/cli/ask-again.js';
import type { GalleryPhoto } from '../../src/cli/people/gallery-photos.js';
import type { Person } from '../../src/cli/people/group-people.js';
import type { FoundFace } from '../../src/cli/people/scan-photos.js';

const photo = (id: number): GalleryPhoto => ({ id, key: String(id), url: `/uploads/${id}.jpg` });

/** A face in a photo, by default one that is like every other. */
export function foundFace(id: number, index = 0, embedding: Float32Array = Float32Array.of(1, 0)): FoundFace {
  const quality = { score: 1, size: 30, sharpness: 300, yaw: 0, pitch: 0.5, roll: 0 };
  return { photo: photo(id), index, face: { box: { x1: 10, y1: 10, x2: 40, y2: 40 }, score: 0.9, quality, embedding } };
}

/** A person with one face in each of some photos. */
export function personOn(number: number, faces: readonly FoundFace[]): Person {
  const photos = [...new Map(faces.map((face) => [face.photo.key, face.photo])).values()];
  return { number, faces, photos, cohesion: 1, centre: Float32Array.of(1, 0) };
}

/** What a tool waits for, told but not waited. */
export function patiently(): { readonly patience: Patience; readonly waits: readonly number[] } {
  const waits: number[] = [];
  const { signal } = new AbortController();
  return { patience: { signal, onWait: (waitMs) => waits.push(waitMs), wait: () => Promise.resolve() }, waits };
}
