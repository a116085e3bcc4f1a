import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { addUnit, describeCluster, orderFaces, type Face, type FaceCluster } from './face.js';

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
 * Takes time in proportion to faces times clusters.
 * @param threshold cosine distance, 0 to 2
 * @throws RunnerError `OPTIONS_INVALID` for faces that can't be used; the signal's reason when it is aborted
 */
export async function clusterGreedily(
  faces: readonly Face[],
  threshold: number,
  signal?: AbortSignal,
): Promise<FaceCluster[]> {
  const { order, scales, dim } = orderFaces(faces);
  const clusters: Growing[] = [];
  for (const [place, index] of order.entries()) {
    if (place % FACES_PER_TURN === 0) {
      await turnOfTheLoop();
      signal?.throwIfAborted();
    }
    const { embedding } = faces[index] as Face;
    const scale = scales[index] as number;
    let cluster = clusters.find(({ sum, length }) => 1 - (dot(sum, embedding) * scale) / length <= threshold);
    if (cluster === undefined) {
      cluster = { members: [], sum: new Float64Array(dim), length: 0 };
      clusters.push(cluster);
    }
    cluster.members.push(index);
    addUnit(cluster.sum, embedding, scale);
    cluster.length = Math.sqrt(dot(cluster.sum, cluster.sum));
  }
  return clusters.map(({ members, sum }) => describeCluster(members, sum));
}

/** Four sums, because each addition to a single one would wait for the one before. */
function dot(a: Float64Array, b: Float32Array | Float64Array): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = a.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    s0 += (a[i] as number) * (b[i] as number);
    s1 += (a[i + 1] as number) * (b[i + 1] as number);
    s2 += (a[i + 2] as number) * (b[i + 2] as number);
    s3 += (a[i + 3] as number) * (b[i + 3] as number);
  }
  for (let i = whole; i < a.length; i++) s0 += (a[i] as number) * (b[i] as number);
  return s0 + s1 + (s2 + s3);
}
