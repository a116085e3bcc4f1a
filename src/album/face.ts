import { show } from '../check.js';
import { RunnerError } from '../errors.js';

/** A face to be put with others of the same person. `photoId` and `faceIndex` together name it. */
export interface FaceEmbedding {
  /** The photo's id; newer photos have greater ids. */
  readonly photoId: number;
  /** The face's place among those of its photo, from 0. */
  readonly faceIndex: number;
  /** float32 of shape [dim], any `dim` that all faces share (512 for ArcFace). Need not have unit length, but not zero. */
  readonly embedding: Float32Array;
}

/** Faces that are held to be of one person. */
export interface FaceCluster {
  /** Indices into the list of faces that was given. */
  readonly members: readonly number[];
  /** float32 of shape [dim], unit length: the normalised sum of the members' unit vectors. */
  readonly centre: Float32Array;
  /** Mean cosine similarity of two different members, -1 to 1; 1 for a single face. */
  readonly cohesion: number;
}

/** The faces as both methods go through them, checked. */
export interface FaceOrder {
  /** Indices into the given list, newest photo first (id descending), then by face index ascending. */
  readonly order: Int32Array;
  /** Per given face, what its embedding must be multiplied with for unit length. */
  readonly scales: Float64Array;
  readonly dim: number;
}

/**
 * Checks the faces and puts them in their order, so that the order in which they were given never matters.
 * @throws RunnerError `OPTIONS_INVALID`, naming the face: an id that is no whole number, the same id and index twice,
 *   an embedding of another length than the first one's, of length zero, or with a value that is not finite.
 */
export function orderFaces(faces: readonly FaceEmbedding[]): FaceOrder {
  const dim = faces[0]?.embedding.length ?? 0;
  const scales = Float64Array.from(faces, (face) => 1 / checkedLength(face, dim));
  const order = Int32Array.from(faces.keys()).sort((a, b) => compareFaces(at(faces, a), at(faces, b)));
  for (let i = 1; i < order.length; i++) {
    const [face, next] = [at(faces, order[i - 1] as number), at(faces, order[i] as number)];
    if (compareFaces(face, next) === 0) throw invalid(`${nameFace(face)} was given twice; give each face once.`);
  }
  return { order, scales, dim };
}

/** The cluster of the members with that sum of unit vectors. */
export function describeCluster(members: readonly number[], sum: Float64Array): FaceCluster {
  let squared = 0;
  for (const value of sum) squared += value * value;
  const count = members.length;
  return {
    members,
    centre: Float32Array.from(sum, (value) => value / Math.sqrt(squared)),
    // |sum|² is the sum over all pairs of members, of which `count` are of a face with itself.
    cohesion: count === 1 ? 1 : (squared - count) / (count * (count - 1)),
  };
}

/** Adds a face's unit vector to a sum. */
export function addUnit(sum: Float64Array, embedding: Float32Array, scale: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (embedding[i] as number) * scale;
}

function compareFaces(a: FaceEmbedding, b: FaceEmbedding): number {
  return b.photoId - a.photoId || a.faceIndex - b.faceIndex;
}

function checkedLength(face: FaceEmbedding, dim: number): number {
  const { photoId, faceIndex, embedding } = face;
  if (!Number.isSafeInteger(photoId) || !Number.isSafeInteger(faceIndex)) {
    throw invalid(
      `A face needs whole numbers as photoId and faceIndex, but got ${show(photoId)} and ${show(faceIndex)}.`,
    );
  }
  if (embedding.length !== dim || dim === 0) {
    throw invalid(
      `${nameFace(face)} has an embedding of ${embedding.length} values, but ${Math.max(dim, 1)} were expected as in the ` +
        'first face. Cluster only faces of one model together.',
    );
  }
  let squared = 0;
  for (const value of embedding) squared += value * value;
  if (!Number.isFinite(squared) || squared === 0) {
    throw invalid(
      `${nameFace(face)} has an embedding ${squared === 0 ? 'of zeros' : 'with values that are not finite'}; ` +
        'it says nothing about the face. Leave the face out, or compute it again.',
    );
  }
  return Math.sqrt(squared);
}

function nameFace({ photoId, faceIndex }: FaceEmbedding): string {
  return `FaceEmbedding ${faceIndex} of photo ${photoId}`;
}

function at(faces: readonly FaceEmbedding[], index: number): FaceEmbedding {
  return faces[index] as FaceEmbedding;
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
