import { check, oneOf, resolveOptions, wholeNumber } from '../check.js';
import type { FaceEmbedding, FaceCluster } from './face.js';
import { clusterGreedily } from './greedy.js';
import { clusterByLinkage } from './linkage.js';

/** How faces become people; docs/people.md tells when to use which. */
export type ClusterMethod = 'greedy' | 'linkage';

/** Options of `clusterFaces()`. */
export interface ClusterOptions {
  /** @default 'greedy' */
  readonly method?: ClusterMethod;
  /**
   * Cosine distance (`1 - dot`), 0 to 2: of a face to a centre for `greedy`, on average between the faces of two clusters
   * for `linkage`.
   * @default 0.42 for `greedy`, 0.6 for `linkage`
   */
  readonly threshold?: number;
  /** Clusters of fewer faces are left out. @default 2 */
  readonly minFaces?: number;
  /** Ends the work; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The distances that are used when none is given. */
export const DEFAULT_THRESHOLDS = { greedy: 0.42, linkage: 0.6 } as const satisfies Record<ClusterMethod, number>;

const OPTION_CHECKS = {
  method: oneOf(['greedy', 'linkage']),
  minFaces: wholeNumber,
  threshold: check(
    'a number from 0 to 2',
    (value): value is number | undefined =>
      value === undefined || (typeof value === 'number' && value >= 0 && value <= 2),
  ),
  signal: check(
    'an AbortSignal',
    (value): value is AbortSignal | undefined => value === undefined || value instanceof AbortSignal,
  ),
};

/**
 * Puts the faces of each person together. The same faces in another order give the same clusters, with other indices.
 * Faces that are like no other stay out unless `minFaces` is 1. Works in the calling thread, with turns of the event
 * loop between.
 * @throws RunnerError `OPTIONS_INVALID` for an option or a face that can't be used: the same face twice, an embedding of
 *   another length than the first one's, of zeros, or with a value that is not finite
 */
export async function clusterFaces(
  faces: readonly FaceEmbedding[],
  options: ClusterOptions = {},
): Promise<FaceCluster[]> {
  const defaults = { method: 'greedy', threshold: undefined, minFaces: 2, signal: undefined } as const;
  const { method, threshold, minFaces, signal } = resolveOptions<{
    method: ClusterMethod;
    threshold: number | undefined;
    minFaces: number;
    signal: AbortSignal | undefined;
  }>('clusterFaces', options, defaults, OPTION_CHECKS);
  const distance = threshold ?? DEFAULT_THRESHOLDS[method];
  const clusters = await (method === 'greedy'
    ? clusterGreedily(faces, distance, signal)
    : clusterByLinkage(faces, distance, { signal }));
  return clusters.filter(({ members }) => members.length >= minFaces);
}
