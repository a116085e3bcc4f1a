import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner } from '../../dist/index.js';
import { drawnFaces, GALLERY, GALLERY_PHOTOS, galleryPhotos } from '../support/demo-people.js';
import { cosine } from '../support/fixtures.js';

const MODEL = path.join(GALLERY, 'model');

/** A file is named by the sentence about it, and a number where there is another of that name. */
const sentenceOf = (name: string): string => name.replace(/(-\d)?\.jpg$/, '').replaceAll('-', ' ');

/** What the model was made for. The photos of people are searched with them, and it knows no people. */
const sentences = galleryPhotos.filter((name) => !drawnFaces.has(name)).map(sentenceOf);

/** `two cats on the beach at night` -> `cats`, `on the beach`. */
function subjectOf(sentence: string): { readonly thing: string; readonly place: string } {
  const [, thing, place] =
    /^(?:an?|two|three) (.+?) ((?:on|in|under) (?:the )?.+?)(?: at night)?$/.exec(sentence) ?? [];
  if (thing === undefined || place === undefined) throw new Error(`no sentence about a photo: ${sentence}`);
  return { thing, place };
}

/** Whether two sentences are about the same thing, one or several, at the same place; none is about people. */
function isAlike(one: string, other: string): boolean {
  if (!sentences.includes(other)) return false;
  const [a, b] = [subjectOf(one), subjectOf(other)];
  return a.place === b.place && (a.thing.startsWith(b.thing) || b.thing.startsWith(a.thing));
}

let runner: Runner;
let photos: readonly Float32Array[];
beforeAll(async () => {
  runner = createRunner({ models: [{ label: 'demo', name: MODEL }], tasks: ['clip', 'text'], device: 'cpu' });
  await runner.start();
  photos = await runner.embedImages(galleryPhotos.map((name) => path.join(GALLERY_PHOTOS, name)));
});
afterAll(() => runner.stop());

/** The sentences of all photos, the best first, for each of the texts. */
async function search(texts: readonly string[]): Promise<readonly (readonly string[])[]> {
  const vectors = await runner.embedTexts(texts);
  return vectors.map((vector) =>
    galleryPhotos
      .map((name, index) => ({ sentence: sentenceOf(name), score: cosine(vector, photos[index]!) }))
      .sort((a, b) => b.score - a.score)
      .map(({ sentence }) => sentence),
  );
}

describe('the demo model', () => {
  it('finds the photo of a sentence first for three of four, and among three for 95 of 100', async () => {
    expect(sentences).toHaveLength(60);
    const found = await search(sentences);
    const share = (top: number): number =>
      sentences.filter((sentence, index) => found[index]!.slice(0, top).some((other) => isAlike(sentence, other)))
        .length / sentences.length;
    expect(share(1)).toBeGreaterThanOrEqual(0.75);
    expect(share(3)).toBeGreaterThanOrEqual(0.95);
  });

  it('answers "a cat on the beach" with all cats on beaches', async () => {
    const [found] = await search(['a cat on the beach']);
    const cats = sentences.filter((sentence) => isAlike('a cat on the beach', sentence));
    expect(cats.length).toBeGreaterThanOrEqual(2);
    expect([...found!.slice(0, cats.length)].sort()).toEqual([...cats].sort());
  });

  it('has no more than 6 MB, and photos of less than 60 kB', () => {
    const sizes = (folder: string): number[] =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .map((name) => statSync(path.join(folder, name)))
        .filter((file) => file.isFile())
        .map((file) => file.size);
    expect(sizes(MODEL).reduce((sum, size) => sum + size, 0)).toBeLessThan(6_000_000);
    expect(Math.max(...sizes(GALLERY_PHOTOS))).toBeLessThan(60_000);
  });
});
