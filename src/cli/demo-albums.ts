import { clusterFaces } from '../album/cluster.js';
import type { FaceEmbedding } from '../album/face.js';
import type { ReceivedFaces } from './demo-receiver.js';

/** The photos of one person. */
export interface DemoAlbum {
  readonly name: string;
  readonly photoIds: readonly number[];
}

/** What a gallery server does with faces: puts those of each person together; who is in one photo only gets no album. */
export async function makeAlbums(received: Iterable<ReceivedFaces>): Promise<readonly DemoAlbum[]> {
  const faces = [...received].flatMap(({ photoId, embeddings }) =>
    embeddings.map((embedding, faceIndex): FaceEmbedding => ({
      photoId: Number(photoId),
      faceIndex,
      embedding: Float32Array.from(embedding),
    })),
  );
  const people = await clusterFaces(faces, { method: 'linkage' });
  return people.map(({ members }, index) => ({
    name: `person ${index + 1}`,
    photoIds: [...new Set(members.flatMap((member) => faces[member]?.photoId ?? []))].sort((a, b) => a - b),
  }));
}
