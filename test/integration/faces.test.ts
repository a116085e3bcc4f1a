import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import {
  createRunner,
  memoryQueue,
  memorySink,
  RunnerError,
  type MemoryQueue,
  type MemorySink,
  type Runner,
  type RunnerEvents,
  type RunnerOptions,
} from '../../dist/index.js';
import { CLIP, cosine, photoJob } from '../support/fixtures.js';
import {
  cell,
  corners,
  MARKER,
  MARKER_BATCHED,
  MARKER_OPENCV,
  markedPicture,
  markedPixels,
  NO_DETECTION,
  NO_EMBEDDING,
  REDS,
  sortedCorners,
  type Mark,
} from '../support/marked-picture.js';

let root: string;
const running: Runner[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-faces-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((runner) => runner.stop()));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface SetUp {
  readonly runner: Runner;
  readonly queue: MemoryQueue;
  readonly sink: MemorySink;
}

function setUp(options: Partial<RunnerOptions> = {}): SetUp {
  const queue = memoryQueue({ backoffBaseMs: 10 });
  const sink = memorySink();
  const runner = createRunner({
    ...{ queue, sink, tasks: ['face'], faceModel: MARKER, roots: [root], device: 'cpu' },
    ...options,
  });
  running.push(runner);
  return { runner, queue, sink };
}

async function started(options: Partial<RunnerOptions> = {}): Promise<SetUp> {
  const parts = setUp(options);
  await parts.runner.start();
  return parts;
}

/** Writes a picture that jobs can name. */
async function place(name: string, marks: readonly Mark[]): Promise<string> {
  await writeFile(path.join(root, name), await markedPicture(marks));
  return name;
}

function ended(runner: Runner, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const one = (): void => {
      left -= 1;
      if (left === 0) resolve();
    };
    runner.on('job:done', one);
    runner.on('job:buried', one);
  });
}

interface Made {
  /** Number and width of the parts, three outputs each. */
  readonly parts?: readonly (readonly [number, number])[];
  readonly anchors?: number;
  /** Standard deviation of the scores. */
  readonly spread?: number;
  readonly broken?: boolean;
}

interface PostedFace {
  readonly embedding: number[];
  readonly model: string;
  readonly bbox: { x1: number; y1: number; x2: number; y2: number };
}

const facesOf = (sink: MemorySink, id: number): readonly PostedFace[] | undefined =>
  sink.deliveries.find(({ jobId, path: url }) => jobId === String(id) && url === `/api/internal/photos/${id}/faces`)
    ?.body['faces'] as readonly PostedFace[] | undefined;

describe('detectFaces', () => {
  it.each([
    ['a batch of one', MARKER],
    ['a free batch', MARKER_BATCHED],
  ])('finds every face where it is, with a detector of %s', async (_, faceModel) => {
    const { runner } = await started({ faceModel });
    const pictures = [[cell(2, 3), cell(15, 10, REDS[3])], [cell(0, 0, REDS[1])], [], [cell(19, 14, REDS[2])]];
    const photos = await runner.detectFaces(await Promise.all(pictures.map((marks) => markedPicture(marks))));
    expect(photos.map(sortedCorners)).toEqual([
      [
        [64, 96, 96, 128],
        [480, 320, 512, 352],
      ],
      [[0, 0, 32, 32]],
      [],
      [[608, 448, 640, 480]],
    ]);
  });

  it('tells score, landmarks, quality and a unit vector of each', async () => {
    const { runner } = await started();
    const [[face] = []] = await runner.detectFaces([await markedPicture([cell(2, 3)])]);
    if (face === undefined) throw new Error('no face');
    expect(face.score).toBeGreaterThan(0.99);
    expect(face.embedding).toHaveLength(512);
    expect(Math.hypot(...face.embedding)).toBeCloseTo(1, 5);
    const inCell = face.landmarks.map(([x, y]) =>
      [x - 64, y - 96].map((value) => Math.round((value / 32) * 100) / 100),
    );
    expect(inCell).toEqual([
      [0.34, 0.46],
      [0.66, 0.46],
      [0.5, 0.64],
      [0.37, 0.82],
      [0.63, 0.82],
    ]);
    expect(Object.keys(face.quality).sort()).toEqual(['pitch', 'roll', 'score', 'sharpness', 'size', 'yaw']);
  });

  it('gives each face of a batch the vector that it has alone', async () => {
    const { runner } = await started();
    const pictures = await Promise.all(
      [[cell(2, 3, REDS[0]), cell(9, 9, REDS[3])], [], [cell(4, 4, REDS[5])], [cell(1, 1, REDS[2])]].map((marks) =>
        markedPicture(marks),
      ),
    );
    const together = (await runner.detectFaces(pictures)).flat();
    const alone = [];
    for (const picture of pictures) alone.push(...(await runner.detectFaces([picture])).flat());
    expect(together).toHaveLength(4);
    for (const [i, face] of together.entries()) {
      for (const [j, other] of alone.entries()) {
        const likeness = cosine(face.embedding, other.embedding);
        if (i === j) expect(likeness).toBeGreaterThan(0.999999);
        else expect(likeness).toBeLessThan(0.9999);
      }
    }
  });

  it('answers in pixels of the original, whatever its size', async () => {
    const { runner } = await started();
    const [small, large] = await runner.detectFaces([
      await markedPicture([{ x: 32, y: 64, side: 16 }], 320, 240),
      await markedPicture([{ x: 512, y: 256, side: 128 }], 2560, 1920),
    ]);
    expect(small?.map(corners)).toEqual([[32, 64, 48, 80]]);
    expect(large?.map(corners)).toEqual([[512, 256, 640, 384]]);
  });

  it('shows a face as a person sees it in all eight orientations, or as it is stored', async () => {
    const upright = sharp(markedPixels([cell(2, 3), cell(15, 10)]), { raw: { width: 640, height: 480, channels: 3 } });
    // How the stored picture comes from the upright one: a turn, then a flip.
    const ways = [[0], [0, 'flop'], [180], [0, 'flip'], [90, 'flop'], [270], [270, 'flop'], [90]] as const;
    const files = await Promise.all(
      ways.map(async ([turn, flip], index) => {
        let stored = upright.clone().rotate(turn);
        if (flip === 'flop') stored = sharp(await stored.png().toBuffer()).flop();
        if (flip === 'flip') stored = sharp(await stored.png().toBuffer()).flip();
        const jpeg = stored.jpeg({ quality: 100, chromaSubsampling: '4:4:4' });
        return jpeg.withMetadata({ orientation: index + 1 }).toBuffer();
      }),
    );
    const seen = [
      [64, 96, 96, 128],
      [480, 320, 512, 352],
    ];
    const { runner } = await started();
    const photos = await runner.detectFaces(files);
    expect(photos.map(sortedCorners)).toEqual(Array(8).fill(seen));
    const first = photos[0]?.[0]?.embedding ?? [];
    for (const [face] of photos) expect(cosine(face?.embedding ?? [], first)).toBeGreaterThan(0.999);

    const asStored = await started({ orientation: 'ignore' });
    const stored = await asStored.runner.detectFaces(files);
    expect(sortedCorners(stored[0] ?? [])).toEqual(seen);
    // Orientation 6: stored turned by 90 degrees to the left.
    expect(sortedCorners(stored[5] ?? [])).toEqual([
      [320, 128, 352, 160],
      [96, 544, 128, 576],
    ]);
  });

  it('finds nothing in tiny pictures and slivers', async () => {
    const { runner } = await started();
    const sizes = [
      [1, 1],
      [1, 2],
      [2, 1],
      [3000, 3],
      [3, 3000],
      [7, 5],
    ] as const;
    const photos = await runner.detectFaces(await Promise.all(sizes.map(([w, h]) => markedPicture([], w, h))));
    expect(photos).toEqual([[], [], [], [], [], []]);
  });

  it('fails a picture alone: no picture, no usable detection, no usable vector', async () => {
    for (const faceModel of [MARKER, MARKER_BATCHED]) {
      const { runner } = await started({ faceModel });
      const marks = [
        [cell(3, 3)],
        [cell(0, 0, NO_DETECTION), cell(4, 4)],
        [cell(4, 4), cell(8, 8, NO_EMBEDDING)],
        [cell(5, 5)],
      ];
      const pictures = [...(await Promise.all(marks.map((each) => markedPicture(each)))), Buffer.from('no picture')];
      const photos = await runner.detectFaces(pictures, { onError: 'return' });
      expect(photos.map((photo) => (photo instanceof RunnerError ? photo.code : photo.length))).toEqual([
        1,
        'RUN_BAD_OUTPUT',
        'RUN_BAD_OUTPUT',
        1,
        'IMAGE_UNSUPPORTED',
      ]);
      await expect(runner.detectFaces(pictures)).rejects.toMatchObject({ code: 'RUN_BAD_OUTPUT' });
    }
  });

  it('reads YuNet and SFace: blue first, centred by the graph, 128 numbers', async () => {
    const { runner } = await started({ faceModel: MARKER_OPENCV, faceDim: 128 });
    const [photo = []] = await runner.detectFaces([await markedPicture([cell(6, 2, REDS[0]), cell(12, 9, REDS[3])])]);
    expect(sortedCorners(photo)).toEqual([
      [192, 64, 224, 96],
      [384, 288, 416, 320],
    ]);
    expect(photo[0]?.score).toBeCloseTo(0.9, 2);
    expect(photo[0]?.embedding).toHaveLength(128);
    // The first 49 numbers are the red of the crop, (255 - 127.5) / 128 before the vector is brought to unit length, the
    // next are its green, of which there is little: had the bytes been centred twice, all would be alike.
    expect(photo[0]?.embedding[24]).toBeGreaterThan(0);
    expect(photo[0]?.embedding[49 + 24]).toBeLessThan(0);
  });

  it('with the ladder finds a face that only a turned picture shows', async () => {
    // Aligned to the grid from below, not from above: 490 = 426 + 32 + 32.
    const picture = await markedPicture([{ x: 96, y: 426 }], 640, 490);
    const plain = await started();
    expect(await plain.runner.detectFaces([picture])).toEqual([[]]);
    for (const faceModel of [MARKER, MARKER_BATCHED]) {
      const { runner } = await started({ faceLadder: true, faceModel });
      const [photo = []] = await runner.detectFaces([picture]);
      expect(photo).toHaveLength(1);
      corners(photo[0]!).forEach((value, i) => {
        expect(Math.abs(value - ([96, 426, 128, 458][i] ?? 0))).toBeLessThanOrEqual(1);
      });
    }
  });

  it('needs the task', async () => {
    const { runner } = await started({ tasks: ['clip'], models: [{ label: 'tiny', name: CLIP }] });
    await expect(runner.detectFaces([])).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringContaining("tasks: ['clip', 'face']") as string,
    });
  });
});

describe('a job with the task face', () => {
  it('posts the faces with the body of the contract, and an empty list where there are none', async () => {
    await place('two.png', [cell(2, 3), cell(15, 10)]);
    await place('none.png', []);
    const { runner, queue, sink } = setUp();
    queue.push(
      photoJob('9007199254740993', 'two.png', ['thumbnail', 'faces', 'face']),
      photoJob(2, 'none.png', ['face']),
    );
    const end = ended(runner, 2);
    await runner.start();
    await end;
    expect(sink.deliveries).toHaveLength(2);
    const two = sink.deliveries.find(({ jobId }) => jobId === '9007199254740993');
    expect(two?.path).toBe('/api/internal/photos/9007199254740993/faces');
    const faces = two?.body['faces'] as PostedFace[];
    expect(faces.map((face) => ({ ...face, embedding: face.embedding.length }))).toEqual([
      { embedding: 512, model: 'arcface-buffalo_l', bbox: expect.anything() as unknown },
      { embedding: 512, model: 'arcface-buffalo_l', bbox: expect.anything() as unknown },
    ]);
    expect(sortedCorners(faces.map(({ bbox }) => ({ box: bbox })))).toEqual([
      [64, 96, 96, 128],
      [480, 320, 512, 352],
    ]);
    expect(sink.deliveries.find(({ jobId }) => jobId === '2')?.body).toEqual({ faces: [] });
  });

  it('tells landmarks, score and quality, too, where it is asked to', async () => {
    await place('one.png', [cell(2, 3)]);
    const { runner, queue, sink } = setUp({ faceExtras: true, faceLabel: 'mine' });
    queue.push(photoJob(1, 'one.png', ['face']));
    const end = ended(runner, 1);
    await runner.start();
    await end;
    const [face] = facesOf(sink, 1) ?? [];
    expect(Object.keys(face ?? {}).sort()).toEqual(['bbox', 'embedding', 'landmarks', 'model', 'quality', 'score']);
    expect(face?.model).toBe('mine');
  });

  it('decodes its file once for clip and face together, and clip is as good as alone', async () => {
    const width = 4000;
    const noisy = markedPixels([{ x: 400, y: 800, side: 200 }], width, 3000).map((value, i) => value ^ ((i * 7) % 13));
    await sharp(noisy, { raw: { width, height: 3000, channels: 3 } })
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toFile(path.join(root, 'large.jpg'));
    const models = [{ label: 'tiny', name: CLIP }];
    const { runner, queue, sink } = setUp({ tasks: ['clip', 'face'], models });
    queue.push(photoJob(1, 'large.jpg', ['clip', 'face']), photoJob(2, 'large.jpg', ['clip']));
    const end = ended(runner, 2);
    await runner.start();
    await end;
    expect(runner.stats().images.decoded).toBe(2);
    expect(runner.stats().stages['decode']?.count).toBe(2);
    expect(sink.deliveries).toHaveLength(3);
    const [box] = facesOf(sink, 1)?.map(({ bbox }) => corners({ box: bbox })) ?? [];
    expect(box).toEqual([400, 800, 600, 1000]);
    const both = sink.deliveries.find(({ jobId, unit }) => jobId === '1' && unit === 'clip/tiny');
    const alone = sink.deliveries.find(({ jobId, unit }) => jobId === '2' && unit === 'clip/tiny');
    expect(cosine(both?.body['embedding'] as number[], alone?.body['embedding'] as number[])).toBeGreaterThan(0.999);
    await runner.stop();
    const exact = setUp({ tasks: ['clip', 'face'], models, resample: 'exact' });
    exact.queue.push(photoJob(1, 'large.jpg', ['clip', 'face']));
    const exactEnd = ended(exact.runner, 1);
    await exact.runner.start();
    await exactEnd;
    const full = exact.sink.deliveries.find(({ unit }) => unit === 'clip/tiny')?.body['embedding'] as number[];
    // Near, but of fewer pixels: all twelve megapixels are taken only where the settings say so.
    expect(cosine(both?.body['embedding'] as number[], full)).toBeGreaterThan(0.999);
    expect(both?.body['embedding']).not.toEqual(full);
  });

  it('keeps the best of very many faces, and says so', async () => {
    const marks = Array.from({ length: 300 }, (_, i) => cell(i % 20, Math.floor(i / 20), REDS[i % REDS.length]));
    await place('crowd.png', marks);
    const { runner, queue, sink } = setUp();
    const warnings: RunnerEvents['job:warning'][] = [];
    runner.on('job:warning', (warning) => warnings.push(warning));
    queue.push(photoJob(1, 'crowd.png', ['face']));
    const end = ended(runner, 1);
    await runner.start();
    await end;
    expect(facesOf(sink, 1)).toHaveLength(200);
    expect(warnings).toEqual([
      {
        queue: queue.name,
        jobId: '1',
        unit: 'face/arcface-buffalo_l',
        message: '300 faces were found, and the best 200 of them kept (maxFacesPerPhoto)',
      },
    ]);
    const all = await started({ maxFacesPerPhoto: 1000 });
    const [photo = []] = await all.runner.detectFaces([await markedPicture(marks)]);
    expect(photo).toHaveLength(300);
    expect(photo.map(({ score }) => score)).toEqual(photo.map(({ score }) => score).sort((a, b) => b - a));
  });

  it('recognises the faces of many photos in runs of maxBatch faces, not photos', async () => {
    // Eight photos with 3, 0, 3, 2, 5, 0, 9, 1 faces.
    const counts = [3, 0, 3, 2, 5, 0, 9, 1];
    for (const [index, count] of counts.entries()) {
      await place(
        `many-${index}.png`,
        Array.from({ length: count }, (_, i) => cell(i * 2, index)),
      );
    }
    const { runner, queue, sink } = setUp({ maxBatch: 8 });
    const runs: number[] = [];
    runner.on('stage:measured', ({ stage, unit, count }) => {
      if (stage === 'run' && unit === 'face/arcface-buffalo_l') runs.push(count);
    });
    queue.push(...counts.map((_, index) => photoJob(index + 1, `many-${index}.png`, ['face'])));
    const end = ended(runner, counts.length);
    await runner.start();
    await end;
    expect(counts.map((_, index) => facesOf(sink, index + 1)?.length)).toEqual(counts);
    // Photos per run: the first alone, 0+3+2, 5+0, 9 alone, 1.
    expect(runs).toEqual([1, 3, 2, 1, 1]);
  });
});

describe('a face model', () => {
  it('is told by its event, with the length of its vectors and its faces per run', async () => {
    const { runner } = setUp({ maxBatch: 4 });
    const ready: RunnerEvents['model:ready'][] = [];
    runner.on('model:ready', (model) => ready.push(model));
    await runner.start();
    expect(ready).toEqual([
      { task: 'face', label: 'arcface-buffalo_l', device: 'cpu', refusals: [], maxBatch: 4, dimension: 512 },
    ]);
  });

  it('of insightface is announced with its licence, once', async () => {
    const told = async (faceModel: string): Promise<unknown[]> => {
      const { runner } = setUp({ faceModel, faceDim: 0, threads: 1 });
      const licences: unknown[] = [];
      runner.on('model:licence', (licence) => licences.push(licence));
      await runner.start();
      return licences;
    };
    expect(await told(MARKER_BATCHED)).toEqual([
      { label: 'arcface-buffalo_l', name: MARKER_BATCHED, licence: 'LicenseRef-InsightFace-non-commercial' },
    ]);
    expect(await told(MARKER_OPENCV)).toEqual([]);
  });

  async function folderOf(name: string, detection: string, recognition: string): Promise<string> {
    const folder = path.join(root, name);
    for (const [part, file] of [
      ['detection', detection],
      ['recognition', recognition],
    ] as const) {
      await mkdir(path.join(folder, part), { recursive: true });
      await copyFile(file, path.join(folder, part, 'model.onnx'));
    }
    return folder;
  }

  const DETECTION = path.join(MARKER, 'detection', 'model.onnx');
  const RECOGNITION = path.join(MARKER, 'recognition', 'model.onnx');

  it.each([
    ['a recogniser as detector', [RECOGNITION, RECOGNITION], 'MODEL_INVALID', 'the outputs of a face detector'],
    ['a detector as recogniser', [DETECTION, DETECTION], 'MODEL_INVALID', 'one output [batch, dimension]'],
    [
      'a CLIP as detector',
      [path.join(CLIP, 'onnx', 'vision_model.onnx'), RECOGNITION],
      'MODEL_INVALID',
      'the outputs of a face detector',
    ],
  ] as const)('is refused at the start: %s', async (name, [detection, recognition], code, message) => {
    const faceModel = await folderOf(name.replaceAll(' ', '-'), detection, recognition);
    await expect(setUp({ faceModel }).runner.start()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  /** A graph in the layout of SCRFD for pictures of 64 pixels, with fixed answers. */
  async function madeDetector(name: string, made: Made): Promise<string> {
    const graph = new GraphWriter(3);
    const nothing = graph.node('Mul', [graph.node('ReduceMean', ['in'], { keepdims: 0 }), graph.scalar(0)]);
    const bias = made.broken === true ? graph.node('Log', [nothing]) : nothing;
    const outputs: Record<string, { from: string; dims: number[]; type: 'float32' }> = {};
    for (const [part, width] of made.parts ?? [1, 4, 10].map((width, part) => [part, width] as const)) {
      for (const stride of [8, 16, 32]) {
        const dims = [(made.anchors ?? 2) * (64 / stride) ** 2, width];
        const fixed = graph.weight(dims, width === 1 ? (made.spread ?? 0.01) : 0.1, 0.3);
        const from = graph.node('Add', [fixed, width === 1 ? bias : nothing]);
        outputs[`${part}_${stride}`] = { from, dims, type: 'float32' };
      }
    }
    const file = path.join(root, `${name}.onnx`);
    await writeFile(file, graph.finish({ in: { dims: [1, 3, 64, 64], type: 'float32' } }, outputs));
    return folderOf(name, file, RECOGNITION);
  }

  it.each<[string, Made, string, string]>([
    [
      'no landmarks',
      {
        parts: [
          [0, 1],
          [1, 4],
        ],
      },
      'MODEL_INVALID',
      'without landmarks',
    ],
    [
      'parts in another order',
      {
        parts: [
          [0, 4],
          [1, 1],
          [2, 10],
        ],
      },
      'MODEL_INVALID',
      'output 1',
    ],
    ['a grid of another size', { anchors: 1.5 }, 'MODEL_INVALID', 'output 1'],
    ['scores that are no probabilities', { spread: 5 }, 'MODEL_SELF_TEST', 'scores from 0 to 1'],
    ['answers that are not finite', { broken: true }, 'MODEL_SELF_TEST', 'NaN or infinity'],
  ])('is refused at the start: a detector with %s', async (name, made, code, message) => {
    const faceModel = await madeDetector(name.replaceAll(' ', '-'), made);
    await expect(setUp({ faceModel, faceSize: 64 }).runner.start()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ['that is named', { faceSize: 64 }],
    ['that its graph fixes', {}],
  ])('may have one anchor a cell, and another size %s', async (name, options) => {
    const faceModel = await madeDetector(`one-anchor-${name.replaceAll(' ', '-')}`, { anchors: 1 });
    const { runner } = await started({ faceModel, faceThreshold: 0.9, ...options });
    expect(await runner.detectFaces([await markedPicture([])])).toEqual([[]]);
  });

  it.each([
    [
      'a size that the graph does not have',
      { faceModel: MARKER_BATCHED, faceSize: 320 },
      'MODEL_INVALID',
      'takes pictures of 640 x 640 pixels alone, but FACE_SIZE (faceSize) is 320: set it to 640',
    ],
    ['vectors of another length', { faceModel: MARKER_OPENCV }, 'MODEL_WRONG_LENGTH', 'PROCESSING_FACE_EMBEDDING_DIM'],
    ['a folder without it', { faceModel: './nowhere' }, 'MODEL_NOT_FOUND', 'detection/model.onnx'],
    ['a name that is none', { faceModel: 'buffalo_xxl' }, 'OPTIONS_INVALID', 'buffalo_l'],
  ] as const)('is refused at the start: %s', async (_, options, code, message) => {
    await expect(setUp(options).runner.start()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ['faceSize', 630],
    ['faceThreshold', 1.5],
    ['faceNms', -0.1],
    ['maxFacesPerPhoto', 0],
    ['faceLabel', ''],
    ['faceDecode', 'half'],
  ])('has options that are checked: %s %s', (name, value) => {
    expect(() => createRunner({ tasks: ['face'], [name]: value })).toThrow(
      expect.objectContaining({ code: 'OPTIONS_INVALID', message: expect.stringContaining(name) as string }),
    );
  });
});
