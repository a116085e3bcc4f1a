import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, memoryQueue, memorySink, type Face, type Runner, type RunnerOptions } from '../../dist/index.js';
import { CLIP, cosine, photoJob } from '../support/fixtures.js';
import { farthest } from '../support/compare-faces.js';
import { GALLERY, GALLERY_PHOTOS } from '../support/demo-people.js';
import { corners, MARKER, markedPixels } from '../support/marked-picture.js';

/** Drawn people in photos of a camera's size, with the demo's own face models. */

const WIDTH = 4007;
const HEIGHT = 3003;
const NEAR = 'anna-in-the-city.jpg';
const FAR = 'eight-people-in-the-kitchen.jpg';

let root: string;
let runner: Runner | undefined;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'reduced-faces-'));
});
afterEach(() => runner?.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

async function started(options: Partial<RunnerOptions> = {}): Promise<Runner> {
  await runner?.stop();
  const faces = {
    tasks: ['face'],
    faceModel: path.join(GALLERY, 'faces'),
    faceDecode: 'reduced',
    faceThreshold: 0.3,
  } as const;
  runner = createRunner({ ...faces, device: 'cpu', ...options });
  await runner.start();
  return runner;
}

/** A photo of the demo's gallery, made so wide, at the left of one of a camera's size. */
async function large(name: string, width = WIDTH): Promise<Sharp> {
  const drawn = await sharp(await readFile(path.join(GALLERY_PHOTOS, name)))
    .resize(width, Math.floor((width * HEIGHT) / WIDTH))
    .toBuffer();
  const canvas = sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#808080' } });
  const pixels = await canvas
    .composite([{ input: drawn, left: 0, top: 0 }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

const jpeg = async (name: string, width?: number): Promise<Buffer> =>
  (await large(name, width)).jpeg({ quality: 92 }).toBuffer();

interface Found {
  readonly photos: readonly (readonly Face[])[];
  readonly decoded: number;
}

async function find(pictures: readonly Buffer[], options: Partial<RunnerOptions> = {}): Promise<Found> {
  const faces = await started(options);
  return { photos: await faces.detectFaces(pictures), decoded: faces.stats().images.decoded };
}

interface Posted {
  readonly decoded: number;
  readonly vector: readonly number[];
  readonly faces: readonly unknown[];
}

/** What a job with all tasks of a runner posts of a photo. */
async function post(photo: Buffer, tasks: readonly string[]): Promise<Posted> {
  await writeFile(path.join(root, 'photo.jpg'), photo);
  const [queue, sink] = [memoryQueue(), memorySink()];
  const models = [{ label: 'tiny', name: CLIP }];
  const working = await started({ queue, sink, tasks, models, roots: [root] });
  const done = new Promise((resolve) => working.on('job:done', resolve));
  queue.push(photoJob(1, 'photo.jpg', tasks));
  await done;
  const bodyOf = (task: string): Record<string, unknown> =>
    sink.deliveries.find(({ unit }) => unit.startsWith(task))?.body ?? {};
  return {
    decoded: working.stats().images.decoded,
    vector: bodyOf('clip')['embedding'] as number[],
    faces: (bodyOf('face')['faces'] ?? []) as unknown[],
  };
}

describe("faceDecode: 'reduced'", () => {
  it('finds the same large faces, in pixels of the original, by one decoding', async () => {
    const photo = await jpeg(NEAR);
    const full = await find([photo], { faceDecode: 'full' });
    const reduced = await find([photo]);
    expect([full.decoded, reduced.decoded]).toEqual([1, 1]);
    const { found, missing, added, deviation, cosine: least } = farthest(full.photos, reduced.photos);
    expect({ found, missing, added }).toEqual({ found: 1, missing: 0, added: 0 });
    expect(full.photos[0]![0]!.quality.size).toBeGreaterThan(900);
    expect(deviation).toBeLessThan(0.02);
    expect(least).toBeGreaterThan(0.98);
    // Not the very same pixels.
    expect(least).toBeLessThan(0.999999);
    expect(reduced.photos[0]![0]!.quality.size / full.photos[0]![0]!.quality.size).toBeCloseTo(1, 1);
  });

  it('decodes a photo with a small face once more', async () => {
    const [near, far] = [await jpeg(NEAR), await jpeg(FAR, 2000)];
    const full = await find([near, far], { faceDecode: 'full' });
    const reduced = await find([near, far]);
    expect([full.decoded, reduced.decoded]).toEqual([2, 3]);
    const { found, missing, added, deviation, cosine: least } = farthest(full.photos.slice(1), reduced.photos.slice(1));
    expect({ found, missing, added }).toEqual({ found: 8, missing: 0, added: 0 });
    expect(deviation).toBeLessThan(0.1);
    // Its recogniser is a small one: a fraction of a pixel in the landmarks tells.
    expect(least).toBeGreaterThan(0.85);
  });

  it('cuts a small face out of all pixels', async () => {
    const pixels = markedPixels([{ x: 400, y: 800, side: 200 }], 4000, 3000);
    // Stripes that are gone in reduced pixels.
    for (let i = 1; i < pixels.length; i += 3) if ((i / 12) & 1 && pixels[i] !== 128) pixels[i]! += 60;
    const raw = { width: 4000, height: 3000, channels: 3 } as const;
    const photo = await sharp(pixels, { raw }).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
    const full = await find([photo], { faceModel: MARKER, faceDecode: 'full' });
    const reduced = await find([photo], { faceModel: MARKER });
    expect([full.decoded, reduced.decoded]).toEqual([1, 2]);
    const [[one] = [], [other] = []] = [full.photos[0], reduced.photos[0]];
    expect(corners(other!)).toEqual([400, 800, 600, 1000]);
    expect(one!.quality.sharpness).toBeGreaterThan(100);
    expect(other!.quality.sharpness / one!.quality.sharpness).toBeCloseTo(1, 2);
    expect(cosine(one!.embedding, other!.embedding)).toBeGreaterThan(0.99999);
  });

  it('has room for both decodings in the budget of decoded bytes, however small that is', async () => {
    const photos = Array.from({ length: 4 }, () => jpeg(FAR, 2000));
    const { photos: found, decoded } = await find(await Promise.all(photos), {
      ...{ maxDecodedBytes: 1, decodeConcurrency: 4, threads: 1 },
    });
    expect(found.map(({ length }) => length)).toEqual([8, 8, 8, 8]);
    expect(decoded).toBe(8);
  });

  it('shows a face where it is seen in all orientations, also where the decoder leaves out columns and rows', async () => {
    const [face] = (await find([await jpeg(NEAR)], { faceDecode: 'full' })).photos[0]!;
    // How the stored picture comes from the upright one: a turn, then a flip.
    const ways = [[0], [0, 'flop'], [180], [0, 'flip'], [90, 'flop'], [270], [270, 'flop'], [90]] as const;
    const files: Buffer[] = [];
    for (const [index, [turn, flip]] of ways.entries()) {
      let stored = sharp(await (await large(NEAR)).rotate(turn).png({ compressionLevel: 0 }).toBuffer());
      if (flip !== undefined) stored = stored[flip]();
      files.push(
        await stored
          .jpeg({ quality: 92 })
          .withMetadata({ orientation: index + 1 })
          .toBuffer(),
      );
    }
    const { photos, decoded } = await find(files);
    expect(decoded).toBe(8);
    for (const [index, photo] of photos.entries()) {
      const { deviation, cosine: least, missing } = farthest([[face!]], [photo]);
      expect(missing, `orientation ${index + 1}`).toBe(0);
      // A forgotten turn or flip moves it by more than its size.
      expect(deviation, `orientation ${index + 1}`).toBeLessThan(0.03);
      expect(least, `orientation ${index + 1}`).toBeGreaterThan(0.97);
    }
  });

  it('is full decoding where the decoder may not shrink', async () => {
    const [picture, photo] = [await (await large(NEAR)).png({ compressionLevel: 1 }).toBuffer(), await jpeg(NEAR)];
    const full = await find([picture, photo], { faceDecode: 'full' });
    const png = await find([picture]);
    expect(png.photos[0]).toEqual(full.photos[0]);
    const exact = await find([photo], { resample: 'exact' });
    expect(exact.photos[0]).toEqual(full.photos[1]);
  });

  it('keeps to maxFacesPerPhoto, and climbs the ladder', async () => {
    const far = await find([await jpeg(FAR, 2000)], { maxFacesPerPhoto: 3 });
    // The small faces are beyond the limit, so nothing is decoded for them.
    expect([far.photos[0]!.length, far.decoded]).toEqual([3, 1]);
    const turned = await (await large(NEAR)).rotate(90).jpeg({ quality: 92 }).toBuffer();
    const full = await find([turned], { faceDecode: 'full', faceLadder: true });
    const reduced = await find([turned], { faceLadder: true });
    const { found, missing, added, deviation } = farthest(full.photos, reduced.photos);
    expect(found).toBeGreaterThan(0);
    expect({ missing, added }).toEqual({ missing: 0, added: 0 });
    expect(deviation).toBeLessThan(0.03);
  });

  it('decodes once for CLIP, too, whose vector stays what it is alone', async () => {
    const photo = await jpeg(NEAR);
    const both = await post(photo, ['clip', 'face']);
    const alone = await post(photo, ['clip']);
    expect([both.decoded, alone.decoded]).toEqual([1, 1]);
    expect(both.faces).toHaveLength(1);
    expect(cosine(both.vector, alone.vector)).toBeGreaterThan(0.999);
  });
});
