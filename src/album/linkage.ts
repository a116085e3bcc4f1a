import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { addUnit, describeCluster, orderFaces, type FaceEmbedding, type FaceCluster } from './face.js';
import { FixedRows } from './fixed-rows.js';
import { linkGroups, MEAN_ROUNDING, type Group, type Node } from './group-links.js';
import { MergeRound } from './merge-round.js';

/** Chains between two turns of the event loop. */
const CHAINS_PER_TURN = 256;

/** What a linkage can be told besides its faces and threshold. */
export interface LinkageOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many of its nearest a face knows at a time. Changes time and memory, not the result. @default 64 */
  readonly neighbours?: number;
}

/**
 * Average linkage, cut at a threshold: the two clusters with the least mean distance are merged, over and over, as long
 * as that mean, taken over all pairs of a face of one and a face of the other, is at most `threshold`. Neither the order
 * nor the ids of the faces matter, except between equal distances. Clusters come by size, largest first, then by their
 * first face; a cluster's members, too, come newest photo first.
 *
 * The mean similarity of two clusters is the product of their sums over both sizes, so no matrix of distances is
 * needed. Two clusters can only be as near as their two nearest faces, so only neighbours within the threshold are
 * looked at: the 64 nearest of each face. Where they don't suffice, what is certain is merged, and the neighbours of the
 * merged groups are sought in another round. So the result is that of the full matrix, up to rounding of 1e-4.
 *
 * Takes faces² / 2 products of vectors for the first round, and per face 2 bytes a
 * value and about 3 KB.
 * @param threshold mean cosine distance (`1 - dot`), 0 to 2
 * @throws RunnerError `OPTIONS_INVALID` for faces that can't be used; the signal's reason when it is aborted
 */
export async function clusterByLinkage(
  faces: readonly FaceEmbedding[],
  threshold: number,
  { signal, neighbours = 64 }: LinkageOptions = {},
): Promise<FaceCluster[]> {
  const { order, scales, dim } = orderFaces(faces);
  const rows = new FixedRows(order.length, dim);
  for (const [place, index] of order.entries()) {
    rows.setVector(place, (faces[index] as FaceEmbedding).embedding, scales[index] as number);
  }
  let groups: readonly Group[] = Array.from(order, (_, place) => ({ members: [place], sum: undefined }));
  for (let isFinal = false; !isFinal;) {
    const merged = await mergeOnce(groups, rows, (1 - threshold) * rows.unit, neighbours, signal);
    // Without a merge another round would find the same.
    isFinal = merged.length === groups.length || merged.every(({ ceiling }) => ceiling === -Infinity);
    groups = isFinal ? merged : settleRows(merged, rows, groups.length);
  }
  return [...groups]
    .map(({ members }) => members.sort((a, b) => a - b))
    .sort((a, b) => b.length - a.length || (a[0] as number) - (b[0] as number))
    .map((places) => {
      const members = places.map((place) => order[place] as number);
      const sum = new Float64Array(dim);
      for (const index of members) addUnit(sum, (faces[index] as FaceEmbedding).embedding, scales[index] as number);
      return describeCluster(members, sum);
    });
}

async function mergeOnce(
  groups: readonly Group[],
  rows: FixedRows,
  cut: number,
  neighbours: number,
  signal: AbortSignal | undefined,
): Promise<readonly Node[]> {
  const lists = await rows.nearest(groups.length, cut - MEAN_ROUNDING * rows.unit, neighbours, signal);
  const round = new MergeRound(linkGroups(groups, lists, rows, cut), rows, cut);
  for (let seed = 0; seed < round.length; seed++) {
    if (seed % CHAINS_PER_TURN === 0) {
      await turnOfTheLoop();
      signal?.throwIfAborted();
    }
    round.followFrom(seed);
  }
  return round.groups();
}

/**
 * Makes the groups the first rows, by their first members, with the mean of a group as its row. In place: a group never
 * moves to a row that one after it still needs, since each has its first member's row or a later one before it.
 */
function settleRows(nodes: readonly Node[], rows: FixedRows, before: number): readonly Group[] {
  const firsts = new Map(nodes.map((node) => [node, node.members.reduce((a, b) => Math.min(a, b))]));
  const sorted = [...nodes].sort((a, b) => (firsts.get(a) ?? 0) - (firsts.get(b) ?? 0));
  for (const [place, { index, members, sum }] of sorted.entries()) {
    if (index < before) rows.copyRow(index, place);
    else if (sum !== undefined) rows.setMean(place, sum, members.length);
  }
  return sorted.map(({ members, sum }) => ({ members, sum }));
}
