import { clusterFaces, type ClusterMethod } from '../../album/cluster.js';
import type { GalleryPhoto } from './gallery-photos.js';
import type { FoundFace } from './scan-photos.js';

/** Faces that are held to be of one person. */
export interface Person {
  /** Place among all clusters, from 1, those that are too small included: the number in the album's name. */
  readonly number: number;
  readonly faces: readonly FoundFace[];
  /** Those with a face of the person, newest first, each once. */
  readonly photos: readonly GalleryPhoto[];
  /** Mean similarity of two faces, -1 to 1. */
  readonly cohesion: number;
  /** Unit length. */
  readonly centre: Float32Array;
}

export interface GroupOptions {
  readonly method: ClusterMethod;
  readonly threshold: number;
  readonly minFaces: number;
  readonly signal: AbortSignal;
}

/**
 * Puts the faces of each person together.
 * @param found in the order of their photos, newest first
 */
export async function groupPeople(
  found: readonly FoundFace[],
  { method, threshold, minFaces, signal }: GroupOptions,
): Promise<readonly Person[]> {
  // The order of photos stands in for their ids, which may be texts beyond what a number holds.
  const ranks = new Map<string, number>();
  for (const { photo } of found) if (!ranks.has(photo.key)) ranks.set(photo.key, -ranks.size);
  const faces = found.map(({ photo, index, face }) => ({
    photoId: ranks.get(photo.key) ?? 0,
    faceIndex: index,
    embedding: face.embedding,
  }));
  const clusters = await clusterFaces(faces, { method, threshold, minFaces: 1, signal });
  return clusters
    .map(({ members, centre, cohesion }, place) => {
      const own = members.map((member) => found[member] as FoundFace);
      return { number: place + 1, faces: own, photos: photosOf(own, ranks), cohesion, centre };
    })
    .filter((person) => person.faces.length >= minFaces);
}

function photosOf(faces: readonly FoundFace[], ranks: ReadonlyMap<string, number>): readonly GalleryPhoto[] {
  const photos = new Map(faces.map(({ photo }) => [photo.key, photo]));
  return [...photos.values()].sort((one, other) => (ranks.get(other.key) ?? 0) - (ranks.get(one.key) ?? 0));
}
