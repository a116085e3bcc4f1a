import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { groupPeople } from '../../../src/cli/people/group-people.js';
import { foundFace } from '../../support/people.js';

interface Golden {
  readonly faces: readonly { readonly row: number; readonly photo_id: number; readonly face_index: number }[];
  readonly expected: Readonly<
    Record<string, { readonly clusters: readonly { readonly rows_in_join_order: number[] }[] }>
  >;
}

const DIM = 512;
const folder = new URL('../../fixtures/people/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('people.json', folder), 'utf8')) as Golden;
const values = new Float32Array(new Uint8Array(readFileSync(new URL('embeddings.f32', folder))).buffer);
const found = [...golden.faces]
  .sort((one, other) => other.photo_id - one.photo_id || one.face_index - other.face_index)
  .map(({ row, photo_id: id, face_index: index }) => foundFace(id, index, values.slice(row * DIM, (row + 1) * DIM)));

describe('faces as people', () => {
  it.each(Object.entries(golden.expected))('are those of the Python script at %s', async (threshold, { clusters }) => {
    const options = { threshold: Number(threshold), minFaces: 2, signal: new AbortController().signal };
    const people = await groupPeople(found, { method: 'greedy', ...options });
    const rows = new Map(golden.faces.map(({ row, photo_id: id, face_index: index }) => [`${id}/${index}`, row]));
    expect(people.map(({ faces }) => faces.map(({ photo, index }) => rows.get(`${photo.key}/${index}`)))).toEqual(
      clusters.map((cluster) => cluster.rows_in_join_order),
    );
    // Numbers count the clusters that are too small as well.
    expect(people.at(-1)?.number).toBeGreaterThan(people.length);
    for (const { faces, photos } of people) {
      const ids = [...new Set(faces.map(({ photo }) => Number(photo.key)))].sort((one, other) => other - one);
      expect(photos.map(({ id }) => id)).toEqual(ids);
    }
  });

  it('is ended by its signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const grouping = groupPeople(found, { method: 'greedy', threshold: 0.42, minFaces: 2, signal });
    await expect(grouping).rejects.toThrow('enough');
  });
});
