import type { FaceEmbedding } from '../../src/album/face.js';

/** A face in a plane, where distances can be told from angles: its embedding points to `degrees`. */
export function faceAt(photoId: number, degrees: number, faceIndex = 0): FaceEmbedding {
  const angle = (degrees * Math.PI) / 180;
  return { photoId, faceIndex, embedding: Float32Array.of(Math.cos(angle), Math.sin(angle)) };
}
