import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { FaceEmbedding } from '../../../src/album/face.js';
import { clusterGreedily } from '../../../src/album/greedy.js';
import { cosine } from '../../support/fixtures.js';
import { faceAt } from '../../support/faces.js';

interface Golden {
  readonly faces: readonly { readonly row: number; readonly photo_id: number; readonly face_index: number }[];
  readonly expected: Readonly<
    Record<
      string,
      {
        readonly clusters_before_dropping: number;
        readonly dropped_singles: readonly number[];
        readonly clusters: readonly { readonly rows_in_join_order: number[]; readonly centre_first8: number[] }[];
      }
    >
  >;
}

const DIM = 512;
const folder = new URL('../../fixtures/people/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('people.json', folder), 'utf8')) as Golden;
const values = new Float32Array(new Uint8Array(readFileSync(new URL('embeddings.f32', folder))).buffer);
const faces: readonly FaceEmbedding[] = golden.faces.map(({ row, photo_id: photoId, face_index: faceIndex }) => ({
  photoId,
  faceIndex,
  embedding: values.subarray(row * DIM, (row + 1) * DIM),
}));

describe('greedy clustering', () => {
  it.each(Object.entries(golden.expected))('makes the clusters of the Python script at %s', async (text, expected) => {
    expect(faces).toHaveLength(300);
    const clusters = await clusterGreedily(faces, Number(text));
    const people = clusters.filter(({ members }) => members.length >= 2);
    expect(people.map(({ members }) => members)).toEqual(expected.clusters.map((each) => each.rows_in_join_order));
    expect(clusters).toHaveLength(expected.clusters_before_dropping);
    expect(clusters.filter(({ members }) => members.length === 1).map(({ members }) => members[0])).toEqual(
      expected.dropped_singles,
    );
    for (const [place, { centre }] of people.entries()) {
      for (const [i, value] of expected.clusters[place]!.centre_first8.entries())
        expect(centre[i]).toBeCloseTo(value, 6);
    }
  });

  it('takes the first cluster within the threshold, not the nearest', async () => {
    const clusters = await clusterGreedily([faceAt(3, 0), faceAt(2, 50), faceAt(1, 30)], 1 - cosineOf(31));
    expect(clusters.map(({ members }) => members)).toEqual([[0, 2], [1]]);
  });

  it('takes a face at the threshold itself', async () => {
    // Exactly 1 apart, which cosines of angles are not.
    const first = { photoId: 2, faceIndex: 0, embedding: Float32Array.of(1, 0) };
    const second = { photoId: 1, faceIndex: 0, embedding: Float32Array.of(0, 1) };
    expect(await clusterGreedily([first, second], 1)).toHaveLength(1);
    expect(await clusterGreedily([first, second], 0.999_999)).toHaveLength(2);
  });

  it('moves the centre to the sum of all members', async () => {
    const [cluster] = await clusterGreedily([faceAt(3, 0), faceAt(2, 20), faceAt(1, 40)], 1);
    expect(cosine(cluster!.centre, faceAt(0, 20).embedding)).toBeCloseTo(1, 6);
    expect(cluster!.cohesion).toBeCloseTo((2 * cosineOf(20) + cosineOf(40)) / 3, 6);
  });

  it('goes by photo id as a number, newest first, then by face index', async () => {
    const [newest, oldest] = [faceAt(1000, 0), faceAt(9, 60)];
    const [left, right] = [faceAt(50, 25, 0), faceAt(50, 35, 1)];
    const clusters = await clusterGreedily([oldest, right, left, newest], 1 - cosineOf(26));
    expect(clusters.map(({ members }) => members)).toEqual([[3, 2, 1], [0]]);
  });
});

function cosineOf(degrees: number): number {
  return Math.cos((degrees * Math.PI) / 180);
}
