import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { addUnit, describeCluster, orderFaces, type FaceEmbedding, type FaceCluster } from './face.js';
import { FixedRows } from './fixed-rows.js';

interface Growing {
  readonly members: number[];
  readonly sum: Float64Array;
  length: number;
}

/** Faces between two turns of the event loop. */
const FACES_PER_TURN = 64;

/**
 * Clusters as the Python script makes them: newest photo first, each face joins the first cluster, in order of
 * creation, whose centre is no further than `threshold`, else it begins one. The distance is `1 - dot`, the centre the
 * normalised sum of all members. Clusters come in order of creation, members in the order in which they joined.
 * Takes time in proportion to faces times clusters, and up to 2 bytes a value of every face beside the clusters' sums.
 * @param threshold cosine distance, 0 to 2
 * @throws RunnerError `OPTIONS_INVALID` for faces that can't be used; the signal's reason when it is aborted
 */
export async function clusterGreedily(
  faces: readonly FaceEmbedding[],
  threshold: number,
  signal?: AbortSignal,
): Promise<FaceCluster[]> {
  const { order, scales, dim } = orderFaces(faces);
  const clusters: Growing[] = [];
  // A row for the centre of each cluster, and one for the face. They only say where a close look is worth while.
  const rows = new FixedRows(order.length + 1, dim);
  const asked = order.length;
  const floor = (1 - threshold) * rows.unit - rows.maxError;
  for (const [place, index] of order.entries()) {
    if (place % FACES_PER_TURN === 0) {
      await turnOfTheLoop();
      signal?.throwIfAborted();
    }
    const { embedding } = faces[index] as FaceEmbedding;
    const scale = scales[index] as number;
    rows.setVector(asked, embedding, scale);
    const find = (from: number): number | undefined => rows.findSimilar(asked, from, clusters.length, floor);
    let found = find(0);
    while (found !== undefined && distance(clusters[found] as Growing, embedding, scale) > threshold) {
      found = find(found + 1);
    }
    found ??= clusters.push({ members: [], sum: new Float64Array(dim), length: 0 }) - 1;
    const cluster = clusters[found] as Growing;
    cluster.members.push(index);
    addUnit(cluster.sum, embedding, scale);
    cluster.length = Math.sqrt(dot(cluster.sum, cluster.sum));
    rows.setVector(found, cluster.sum, 1 / cluster.length);
  }
  return clusters.map(({ members, sum }) => describeCluster(members, sum));
}

function distance({ sum, length }: Growing, embedding: Float32Array, scale: number): number {
  return 1 - (dot(sum, embedding) * scale) / length;
}

function dot(a: Float64Array, b: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
