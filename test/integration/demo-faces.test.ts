import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterFaces, createRunner, type Face, type Runner } from '../../dist/index.js';
import { cosine } from '../support/fixtures.js';
import { drawnFaces, GALLERY, GALLERY_PHOTOS, galleryPhotos, type DrawnFace } from '../support/demo-people.js';

const MODEL = path.join(GALLERY, 'faces');

type Point = readonly [x: number, y: number];

let runner: Runner;
/** What was found, by photo. */
let found: ReadonlyMap<string, readonly Face[]>;
beforeAll(async () => {
  runner = createRunner({ tasks: ['face'], faceModel: MODEL, device: 'cpu' });
  await runner.start();
  const faces = await runner.detectFaces(galleryPhotos.map((photo) => path.join(GALLERY_PHOTOS, photo)));
  found = new Map(galleryPhotos.map((photo, index) => [photo, faces[index]!]));
});
afterAll(() => runner.stop());

describe("the demo's pair of a face detector and a recogniser", () => {
  it('finds every drawn face, and none besides', () => {
    expect(drawnFaces.size).toBeGreaterThanOrEqual(20);
    const counts = galleryPhotos.map((photo) => [photo, found.get(photo)!.length]);
    expect(counts).toEqual(galleryPhotos.map((photo) => [photo, drawnFaces.get(photo)?.length ?? 0]));
    for (const [photo, drawn] of drawnFaces) {
      const matches = found.get(photo)!.map((face) => drawn.indexOf(nearest(face, drawn)));
      expect(matches.sort(), photo).toEqual(drawn.map((_, index) => index));
    }
  });

  it('puts boxes and landmarks where they were drawn', () => {
    for (const [face, drawn] of pairs()) {
      expect(overlap(face, drawn)).toBeGreaterThan(0.65);
      const [left, right] = drawn.landmarks as [Point, Point];
      const off = drawn.landmarks.map((point, index) => apart(point, face.landmarks[index]!) / apart(left, right));
      expect(Math.max(...off)).toBeLessThan(0.4);
    }
  });

  it('makes vectors of 512 numbers, of which the nearest is of the same person', () => {
    const faces = pairs();
    for (const [face, { person }] of faces) {
      expect(face.embedding).toHaveLength(512);
      const others = faces.filter(([other]) => other !== face);
      const [, next] = others.reduce((best, one) => (likeness(face, one[0]) > likeness(face, best[0]) ? one : best));
      expect(next.person).toBe(person);
    }
  });

  it.each(['greedy', 'linkage'] as const)('tells the people apart with the defaults of %s', async (method) => {
    const faces = pairs();
    const people = faces.map(([, { person }]) => person);
    const clusters = await clusterFaces(
      faces.map(([{ embedding }], index) => ({ photoId: index + 1, faceIndex: 0, embedding })),
      { method },
    );
    const names = clusters.map(({ members }) => [...new Set(members.map((member) => people[member]))].join(' and '));
    expect(names.sort()).toEqual([...new Set(people)].sort());
    expect(clusters.flatMap(({ members }) => members)).toHaveLength(faces.length);
  });

  it('has no more than 4 MB', () => {
    const sizes = readdirSync(MODEL, { recursive: true, encoding: 'utf8' })
      .map((name) => statSync(path.join(MODEL, name)))
      .map((file) => (file.isFile() ? file.size : 0));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(4_000_000);
  });
});

/** Each face that was found with the drawn one that it overlaps most. */
function pairs(): readonly (readonly [Face, DrawnFace])[] {
  return [...drawnFaces].flatMap(([photo, drawn]) =>
    found.get(photo)!.map((face) => [face, nearest(face, drawn)] as const),
  );
}

function nearest(face: Face, drawn: readonly DrawnFace[]): DrawnFace {
  return drawn.reduce((best, one) => (overlap(face, one) > overlap(face, best) ? one : best));
}

function likeness(one: Face, other: Face): number {
  return cosine(one.embedding, other.embedding);
}

function apart([x, y]: Point, [u, v]: Point): number {
  return Math.hypot(x - u, y - v);
}

/** Intersection over union. */
function overlap({ box: { x1, y1, x2, y2 } }: Face, { box: [left, top, right, bottom] }: DrawnFace): number {
  const width = Math.max(0, Math.min(x2, right) - Math.max(x1, left));
  const height = Math.max(0, Math.min(y2, bottom) - Math.max(y1, top));
  const shared = width * height;
  return shared / ((x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - shared);
}
