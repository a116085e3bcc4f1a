import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaceEmbedding } from '../../../src/album/face.js';
import { clusterByLinkage } from '../../../src/album/linkage.js';
import { faceAt } from '../../support/faces.js';

const DIM = 8;
const SEED = 20_261;
/** Distances that differ by less are left to rounding: 1e-4 for neighbours that are not known, and some for the integers. */
const CLOSE = 2e-4;

/** Faces around a few directions, near enough to one another that merges compete. Numbers from a seed: no two are alike. */
const anyFaces = fc
  .record({
    seed: fc.nat(),
    count: fc.integer({ min: 10, max: 32 }),
    people: fc.integer({ min: 1, max: 5 }),
    spread: fc.double({ min: 0.2, max: 1, noNaN: true }),
  })
  .map(({ seed, count, people, spread }) => {
    const random = seededRandom(seed);
    const vector = (): number[] => Array.from({ length: DIM }, () => random() + random() - 1);
    const centres = Array.from({ length: people }, vector);
    return Array.from({ length: count }, (_, photoId): FaceEmbedding => {
      const noise = vector();
      const embedding = Float32Array.from(centres[photoId % people]!, (value, k) => value + spread * noise[k]!);
      return { photoId, faceIndex: 0, embedding };
    });
  });
const anyThreshold = fc.double({ min: 0.05, max: 1.2, noNaN: true });

describe('clustering by average linkage', () => {
  it('equals a literal reading of the method, however few neighbours are looked at', async () => {
    await fc.assert(
      fc.asyncProperty(anyFaces, anyThreshold, fc.constantFrom(1, 2, 5, 64), async (faces, threshold, neighbours) => {
        const expected = literalLinkage(faces, threshold);
        fc.pre(expected !== undefined);
        expect(partition(await clusterByLinkage(faces, threshold, { neighbours }), faces)).toEqual(expected);
      }),
      { seed: SEED, numRuns: 600 },
    );
  });

  it('makes the same clusters whatever the order and the ids of the faces', async () => {
    await fc.assert(
      fc.asyncProperty(anyFaces, anyThreshold, fc.infiniteStream(fc.nat()), async (faces, threshold, keys) => {
        fc.pre(literalLinkage(faces, threshold) !== undefined);
        const sorted = faces.map((face) => ({ face, key: keys.next().value as number })).sort((a, b) => a.key - b.key);
        const shuffled = sorted.map(({ face }, i) => ({ ...face, photoId: 1000 + i }));
        const [before, after] = [await clusterByLinkage(faces, threshold), await clusterByLinkage(shuffled, threshold)];
        expect(
          partition(
            after,
            sorted.map(({ face }) => face),
          ),
        ).toEqual(partition(before, faces));
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('gives the same list, with other indices, when the same faces come in another order', async () => {
    const faces = [faceAt(5, 0), faceAt(4, 0), faceAt(3, 10), faceAt(2, 100), faceAt(1, 110)];
    const clusters = await clusterByLinkage(faces, 0.1);
    expect(clusters.map(({ members }) => members)).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    const reversed = await clusterByLinkage([...faces].reverse(), 0.1);
    expect(reversed.map(({ members }) => members)).toEqual([
      [4, 3, 2],
      [1, 0],
    ]);
    expect(reversed.map(({ centre, cohesion }) => [centre, cohesion])).toEqual(
      clusters.map(({ centre, cohesion }) => [centre, cohesion]),
    );
  });

  it('merges by the mean over all pairs: a face near to one member only stays out', async () => {
    const chain = [faceAt(1, 0), faceAt(2, 20), faceAt(3, 50)];
    const mean = 1 - (Math.cos((50 * Math.PI) / 180) + Math.cos((30 * Math.PI) / 180)) / 2;
    expect(await clusterByLinkage(chain, mean - 0.001)).toHaveLength(2);
    expect(await clusterByLinkage(chain, mean + 0.001)).toHaveLength(1);
  });

  it('says how alike the members of a cluster are, on average', async () => {
    const [cluster] = await clusterByLinkage([faceAt(1, 0), faceAt(2, 60), faceAt(3, 60)], 1);
    expect(cluster!.cohesion).toBeCloseTo((0.5 + 0.5 + 1) / 3, 6);
    expect(Math.hypot(...cluster!.centre)).toBeCloseTo(1, 6);
  });

  it('brings many copies of a face together, far more than the neighbours looked at', async () => {
    const copies = Array.from({ length: 500 }, (_, i) => faceAt(i, 30));
    const clusters = await clusterByLinkage([...copies, faceAt(1000, 120)], 0.5, { neighbours: 4 });
    expect(clusters.map(({ members }) => members.length)).toEqual([500, 1]);
  });

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController();
    const ended = clusterByLinkage([faceAt(1, 0), faceAt(2, 0)], 1, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
  });
});

/** The clusters as sets of faces, in an order of their own. */
function partition(
  clusters: readonly { readonly members: readonly number[] }[],
  faces: readonly FaceEmbedding[],
): string[] {
  return clusters.map(({ members }) => nameSet(members.map((index) => faces[index]!))).sort();
}

function nameSet(faces: readonly FaceEmbedding[]): string {
  return faces
    .map(({ photoId }) => String(photoId))
    .sort()
    .join();
}

/**
 * Merges the two nearest of all clusters until the mean distance passes the threshold. Undefined where a decision is
 * closer than rounding: two pairs equally near, or a distance at the threshold.
 */
function literalLinkage(faces: readonly FaceEmbedding[], threshold: number): string[] | undefined {
  const units = faces.map(({ embedding }) => embedding.map((value) => value / Math.hypot(...embedding)));
  const distance = (a: Float32Array, b: Float32Array): number =>
    1 - a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const table = units.map((a) => units.map((b) => distance(a, b)));
  let clusters = faces.map((_, i) => [i]);
  while (clusters.length > 1) {
    const pairs = clusters
      .flatMap((a, i) => clusters.slice(i + 1).map((b) => ({ a, b, mean: meanOf(a, b, table) })))
      .sort((x, y) => x.mean - y.mean);
    const [best, ...others] = pairs;
    // Only pairs that share a cluster with the best one compete with it.
    const next = others.find(({ a, b }) => [a, b].some((each) => each === best!.a || each === best!.b));
    if (Math.abs(best!.mean - threshold) < CLOSE || (next !== undefined && next.mean - best!.mean < CLOSE)) {
      return undefined;
    }
    if (best!.mean > threshold) break;
    clusters = [...clusters.filter((each) => each !== best!.a && each !== best!.b), [...best!.a, ...best!.b]];
  }
  return clusters.map((members) => nameSet(members.map((index) => faces[index]!))).sort();
}

function meanOf(a: readonly number[], b: readonly number[], table: readonly Float32Array[] | number[][]): number {
  return a.reduce((sum, i) => sum + b.reduce((part, j) => part + table[i]![j]!, 0), 0) / (a.length * b.length);
}

/** mulberry32 */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
