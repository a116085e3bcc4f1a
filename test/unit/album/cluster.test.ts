import { describe, expect, it } from 'vitest';
import { clusterFaces, DEFAULT_THRESHOLDS, type ClusterOptions } from '../../../src/album/cluster.js';
import type { FaceEmbedding } from '../../../src/album/face.js';
import { faceAt } from '../../support/faces.js';

const METHODS = ['greedy', 'linkage'] as const;

describe('clusterFaces', () => {
  it.each(METHODS)('%s leaves out clusters of fewer faces than asked for', async (method) => {
    const faces = [faceAt(1, 0), faceAt(2, 1), faceAt(3, 90)];
    const members = async (options: ClusterOptions): Promise<unknown> =>
      (await clusterFaces(faces, { method, ...options })).map((cluster) => [...cluster.members].sort());
    expect(await members({})).toEqual([[0, 1]]);
    expect(await members({ minFaces: 3 })).toEqual([]);
    expect(await members({ minFaces: 1 })).toHaveLength(2);
  });

  it.each(METHODS)('%s has its own default threshold', async (method) => {
    const angle = (Math.acos(1 - DEFAULT_THRESHOLDS[method]) * 180) / Math.PI;
    expect(await clusterFaces([faceAt(1, 0), faceAt(2, angle - 0.5)], { method })).toHaveLength(1);
    expect(await clusterFaces([faceAt(1, 0), faceAt(2, angle + 0.5)], { method })).toHaveLength(0);
  });

  it.each(METHODS)('%s takes embeddings of any length for unit vectors', async (method) => {
    const long = { ...faceAt(2, 1), embedding: faceAt(2, 1).embedding.map((value) => 22 * value) };
    const [cluster] = await clusterFaces([faceAt(1, 0), long], { method });
    expect(Math.hypot(...cluster!.centre)).toBeCloseTo(1, 6);
    expect(cluster!.cohesion).toBeCloseTo(Math.cos(Math.PI / 180), 6);
  });

  it.each(METHODS)('%s makes nothing of no faces', async (method) => {
    expect(await clusterFaces([], { method, minFaces: 0 })).toEqual([]);
  });

  it.each(METHODS)('%s ends when its signal is aborted', async (method) => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(clusterFaces([faceAt(1, 0)], { method, signal })).rejects.toThrow('enough');
  });

  const bad: readonly (readonly [string, readonly FaceEmbedding[], RegExp])[] = [
    ['a value that is no number', [faceAt(7, 0), vector(8, 1, NaN)], /^FaceEmbedding 2 of photo 8 .*not finite/],
    ['an infinite value', [vector(8, Infinity, 1)], /^FaceEmbedding 2 of photo 8 .*not finite/],
    ['an embedding of zeros', [vector(8, 0, 0)], /^FaceEmbedding 2 of photo 8 .*of zeros/],
    [
      'another length',
      [faceAt(7, 0), vector(8, 1, 2, 3)],
      /^FaceEmbedding 2 of photo 8 .*3 values, but 2 were expected/,
    ],
    ['an empty embedding', [vector(8)], /^FaceEmbedding 2 of photo 8 .*0 values/],
    ['the same face twice', [faceAt(7, 0), faceAt(6, 0), faceAt(7, 90)], /^FaceEmbedding 0 of photo 7 was given twice/],
    ['an id that is no whole number', [faceAt(1.5, 0)], /whole numbers.*1\.5 \(number\)/],
  ];
  it.each(bad)('refuses %s, by name', async (_, faces, message) => {
    for (const method of METHODS) {
      await expect(clusterFaces(faces, { method })).rejects.toMatchObject({
        code: 'OPTIONS_INVALID',
        message: expect.stringMatching(message) as string,
      });
    }
  });

  it.each([
    { threshold: -0.1 },
    { threshold: NaN },
    { minFaces: 1.5 },
    { method: 'best' },
    { signal: 'no' },
    { treshold: 0.4 },
  ])('refuses the option %o', async (option) => {
    await expect(clusterFaces([], option as ClusterOptions)).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });
});

function vector(photoId: number, ...values: number[]): FaceEmbedding {
  return { photoId, faceIndex: 2, embedding: Float32Array.from(values) };
}
