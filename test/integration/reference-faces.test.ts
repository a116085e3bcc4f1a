import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, RunnerError, type Face, type Point, type Runner, type RunnerOptions } from '../../dist/index.js';
import { alignFace } from '../../src/tasks/face/align.js';
import { letterbox } from '../../src/tasks/face/letterbox.js';
import { decodePhoto } from '../../src/tasks/image/decode.js';
import { farthest } from '../support/compare-faces.js';
import { cosine } from '../support/fixtures.js';
import { noise } from '../support/noise.js';
import { EXACT } from '../support/pictures.js';

/**
 * The whole reference set lies beside a checkout of the project's own; a user's clone lacks it. Its weights have no
 * licence to be passed on, so they are used where they lie.
 */
const REFERENCE = fileURLToPath(new URL('../../../shared/reference/faces', import.meta.url));
const isHere = existsSync(REFERENCE);

interface GoldenFace {
  readonly bbox: readonly [number, number, number, number];
  readonly kps: readonly Point[];
  readonly det_score: number;
  readonly normed_embedding?: readonly number[];
  readonly crop_float64_sha256_rgb: string;
}

interface Golden {
  readonly decoded: { readonly width: number; readonly height: number; readonly sha256_rgb: string };
  readonly det_input: { readonly det_scale: number; readonly sha256_rgb: string };
  readonly faces: readonly GoldenFace[];
}

const image = (name: string): string => path.join(REFERENCE, 'images', name);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function readGolden(set: string): ReadonlyMap<string, Golden> {
  const names = readdirSync(path.join(REFERENCE, set)).sort();
  return new Map(
    names.map((name) => [
      name.replace(/\.json$/, ''),
      JSON.parse(readFileSync(path.join(REFERENCE, set, name), 'utf8')) as Golden,
    ]),
  );
}

describe.runIf(isHere)('the reference set of faces', () => {
  let root: string;
  let runner: Runner | undefined;
  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), 'reference-faces-'));
  });
  afterEach(() => runner?.stop());
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** A pack of the set's weights, by links. */
  function pack(detector: string): string {
    const folder = path.join(root, detector);
    for (const [part, file] of [
      ['detection', detector],
      ['recognition', 'arcface-tiny'],
    ] as const) {
      mkdirSync(path.join(folder, part), { recursive: true });
      const link = path.join(folder, part, 'model.onnx');
      if (!existsSync(link)) symlinkSync(path.join(REFERENCE, 'models', `${file}.onnx`), link);
    }
    return folder;
  }

  async function start(detector: string, options: Partial<RunnerOptions> = {}): Promise<Runner> {
    runner = createRunner({ tasks: ['face'], faceModel: pack(detector), device: 'cpu', ...options });
    await runner.start();
    return runner;
  }

  it.each([
    ['scrfd-tiny', 'golden', 640, 107],
    ['scrfd-tiny-batched', 'golden', 640, 107],
    ['scrfd-2.5g', 'golden-2.5g', 640, 126],
    ['scrfd-tiny', 'golden-320', 320, 12],
  ] as const)(
    '%s gives every face of %s at %i pixels, none more, in the same order',
    { timeout: 300_000 },
    async (detector, set, faceSize, total) => {
      const golden = readGolden(set);
      const photos = await (await start(detector, { faceSize })).detectFaces([...golden.keys()].map(image));
      expect(photos.map(({ length }) => length)).toEqual([...golden.values()].map(({ faces }) => faces.length));
      expect(photos.flat()).toHaveLength(total);
      [...golden].forEach(([name, expected], index) => {
        expected.faces.forEach((face, place) => expectFace(photos[index]?.[place], face, expected, `${name} ${place}`));
      });
    },
  );

  it('is decoded, fitted and aligned to the same bytes', { timeout: 300_000 }, async () => {
    for (const [name, golden] of readGolden('golden')) {
      const photo = await decodePhoto(readFileSync(image(name)), { settings: EXACT });
      expect(sha256(photo.data), name).toBe(golden.decoded.sha256_rgb);
      expect(sha256(letterbox(photo, 640).data), name).toBe(golden.det_input.sha256_rgb);
      for (const face of golden.faces) {
        expect(sha256(alignFace(photo, face.kps) ?? new Uint8Array()), name).toBe(face.crop_float64_sha256_rgb);
      }
    }
  });

  it('has vectors that tell people apart', async () => {
    const faces = await (await start('scrfd-tiny')).detectFaces(['portrait.jpg', 'podium.jpg', 'tall.jpg'].map(image));
    const [portrait, podium, tall] = faces.map(([face]) => face?.embedding ?? []);
    expect(cosine(portrait ?? [], podium ?? [])).toBeGreaterThan(0.7);
    expect(cosine(portrait ?? [], tall ?? [])).toBeLessThan(0.3);
  });

  // Small pictures are not shrunk; so they are looked at as they are, and enlarged to a camera's size with a camera's grain.
  it.each([
    ['scrfd-tiny', 'as they are', { missing: 0, added: 3 }, 0.06, 0.84],
    ['scrfd-tiny', 'enlarged', { missing: 10, added: 7 }, 0.2, 0.6],
    ['scrfd-2.5g', 'enlarged', { missing: 4, added: 4 }, 0.2, 0.6],
  ] as const)(
    "faceDecode 'reduced' against 'full' by %s, pictures %s: at most %o, boxes moved by at most %d of their size, cosines from %d on",
    { timeout: 300_000 },
    async (detector, which, most, mostMoved, least) => {
      // Seven of the pictures are one, in other orientations.
      const names = readdirSync(path.join(REFERENCE, 'images')).filter((name) => !/exif_[2-8]/.test(name));
      const pictures: (string | Buffer)[] = [];
      for (const name of names) pictures.push(which === 'enlarged' ? await enlarged(image(name)) : image(name));
      const full = await (await start(detector)).detectFaces(pictures);
      await runner?.stop();
      const reduced = await (await start(detector, { faceDecode: 'reduced' })).detectFaces(pictures);
      const { deviation, cosine: lowest, median, ...told } = farthest(full, reduced);
      console.log(
        `${detector}, ${which}: boxes ${deviation.toFixed(3)}, cosines ${lowest.toFixed(3)}, median ${median.toFixed(4)}, ${JSON.stringify(told)}`,
      );
      expect(told.found).toBeGreaterThan(90);
      expect(told.missing).toBeLessThanOrEqual(most.missing);
      expect(told.added).toBeLessThanOrEqual(most.added);
      expect(deviation).toBeLessThan(mostMoved);
      expect(lowest).toBeGreaterThan(least);
      expect(median).toBeGreaterThan(0.98);
    },
  );

  it('with broken and odd files: faces where there are any, else a clear error', async () => {
    const started = await start('scrfd-tiny');
    const files = [
      'black.png',
      'one_pixel.png',
      'sliver_2048x1.png',
      'sliver_3000x3.png',
      'whole.jpg',
      'jpeg_named.png',
      'cmyk.jpg',
    ];
    const broken = ['truncated.jpg', 'empty.jpg', 'not_an_image.jpg'];
    const photos = await started.detectFaces(
      [...files, ...broken].map((name) => path.join(REFERENCE, 'edge', name)),
      { onError: 'return' },
    );
    expect(photos.map((photo) => (photo instanceof RunnerError ? photo.code : photo.length))).toEqual([
      ...[0, 0, 0, 0, 1, 1, 1],
      ...['IMAGE_DECODE', 'FILE_EMPTY', 'IMAGE_UNSUPPORTED'],
    ]);
  });

  it('with the ladder: a face that fills the frame is found, and nothing is added elsewhere', async () => {
    for (const detector of ['scrfd-tiny', 'scrfd-tiny-batched']) {
      const started = await start(detector, { faceLadder: true });
      const upsideDown = await sharp(readFileSync(image('portrait.jpg')))
        .rotate(180)
        .jpeg({ quality: 95 })
        .toBuffer();
      const [huge = [], turned = [], ...none] = await started.detectFaces([
        image('too_huge_face.jpg'),
        upsideDown,
        ...['no_face.jpg', 'cat.png', 'no_face_texture.png'].map(image),
      ]);
      expect(huge).toHaveLength(1);
      expect(huge[0]?.score).toBeGreaterThan(0.7);
      expect(turned).toHaveLength(1);
      // The landmarks know which way is up.
      expect(Math.abs(turned[0]?.quality.roll ?? 0)).toBeGreaterThan(170);
      expect(none).toEqual([[], [], []]);
      const [[portrait] = []] = await started.detectFaces([image('portrait.jpg')]);
      expect(cosine(turned[0]?.embedding ?? [], portrait?.embedding ?? [])).toBeGreaterThan(0.9);
      await started.stop();
    }
  });
});

const made = new Map<string, Promise<Buffer>>();

/** A picture 4000 pixels long, with the grain of a camera, as JPEG. The grain is the same each time; made once. */
function enlarged(file: string): Promise<Buffer> {
  const picture = made.get(file) ?? enlarge(file);
  made.set(file, picture);
  return picture;
}

async function enlarge(file: string): Promise<Buffer> {
  const picture = sharp(readFileSync(file)).autoOrient().removeAlpha().toColourspace('srgb');
  const { data, info } = await picture
    .resize(4000, 4000, { fit: 'inside', kernel: 'cubic' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const grain = noise(1024, 1024).data;
  // A grey picture has one channel.
  for (let i = 0; i < data.length; i++)
    data[i] = Math.max(0, Math.min(255, data[i]! + ((grain[i % grain.length]! - 128) >> 4)));
  return sharp(data, { raw: { width, height, channels } }).jpeg({ quality: 90 }).toBuffer();
}

/** The tolerances of the reference's page for exact arithmetic; lengths are in pixels of the detector's square. */
function expectFace(
  face: Face | undefined,
  golden: GoldenFace,
  { decoded: { width, height }, det_input: { det_scale: scale } }: Golden,
  where: string,
): void {
  const { x1, y1, x2, y2 } = face?.box ?? { x1: NaN, y1: NaN, x2: NaN, y2: NaN };
  [x1, y1, x2, y2].forEach((value, i) => {
    const within = Math.max(0, Math.min(golden.bbox[i] ?? NaN, i % 2 === 0 ? width : height));
    expect(Math.abs(value - within) * scale, `box of ${where}`).toBeLessThanOrEqual(1e-3);
  });
  golden.kps.flat().forEach((value, i) => {
    expect(Math.abs((face?.landmarks.flat()[i] ?? NaN) - value) * scale, `landmarks of ${where}`).toBeLessThanOrEqual(
      1e-3,
    );
  });
  expect(Math.abs((face?.score ?? NaN) - golden.det_score), `score of ${where}`).toBeLessThanOrEqual(1e-4);
  if (golden.normed_embedding === undefined) return;
  expect(1 - cosine(face?.embedding ?? [], golden.normed_embedding), `vector of ${where}`).toBeLessThanOrEqual(1e-5);
}
