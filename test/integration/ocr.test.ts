import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
  type TextLine,
} from '../../dist/index.js';
import { CLIP, photoJob } from '../support/fixtures.js';
import {
  bar,
  barredPicture,
  NO_MAP,
  NO_READING,
  READ_AS_A,
  READ_AS_B,
  READ_AS_NOTHING,
  writeMadeOcr,
} from '../support/made-ocr.js';
import { MARKER } from '../support/marked-picture.js';
import { FIXTURES, readJson } from '../support/pictures.js';
import { differenceOf, expectWithinTolerance, foldText, sumDifferences, type GoldenLine } from '../support/texts.js';

let root: string;
let made: string;
const running: Runner[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-ocr-'));
  made = writeMadeOcr(path.join(root, 'made'));
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
  const runner = createRunner({ queue, sink, tasks: ['ocr'], roots: [root], device: 'cpu', ...options });
  running.push(runner);
  return { runner, queue, sink };
}

async function started(options: Partial<RunnerOptions> = {}): Promise<SetUp> {
  const parts = setUp(options);
  await parts.runner.start();
  return parts;
}

const picture = (name: string): string => path.join(FIXTURES, 'ocr', name);
const golden = readJson('golden/texts.json') as Readonly<Record<string, readonly GoldenLine[]>>;
const names = Object.keys(golden);
const textsOf = (lines: readonly TextLine[]): readonly string[] => lines.map(({ text }) => text);

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

describe('readTexts with the package of models', { timeout: 300_000 }, () => {
  it('reads Chinese and English, upright, tilted, downwards and upside down, as the reference does', async () => {
    const { runner } = await started();
    const photos = await runner.readTexts(names.map(picture));
    const differences = names.map((name, index) => differenceOf(photos[index] ?? [], golden[name] ?? [], 600));
    const sum = sumDifferences(differences);
    expect(sum.lines).toBe(17);
    expectWithinTolerance(sum);
    expect(photos.map(({ length }) => length)).toEqual(names.map((name) => golden[name]?.length));
    // What else is in the batch changes nothing.
    for (const name of ['sign_en.png', 'tilted.png']) {
      const [alone = []] = await runner.readTexts([picture(name)]);
      const together = photos[names.indexOf(name)] ?? [];
      expect(textsOf(alone)).toEqual(textsOf(together));
      alone.forEach(({ confidence, corners }, index) => {
        expect(corners).toEqual(together[index]?.corners);
        expect(confidence).toBeCloseTo(together[index]?.confidence ?? NaN, 4);
      });
    }
  });

  it('finds nothing where there is no text, in tiny pictures and in slivers of any length', async () => {
    const { runner } = await started();
    const sliver = (width: number, height: number): Promise<Buffer> =>
      sharp({ create: { width, height, channels: 3, background: '#888888' } })
        .png()
        .toBuffer();
    const odd = await Promise.all([sliver(1, 1), sliver(2, 1), sliver(20_000, 30), sliver(3, 30_000)]);
    expect(await runner.readTexts([picture('blank.png'), picture('no_text.jpg'), ...odd])).toEqual([
      ...[[], []],
      ...odd.map(() => []),
    ]);
  });

  it('tells places in the picture as a person sees it', async () => {
    const { runner } = await started();
    const upright = await readFile(picture('sign_en.png'));
    const turned = await sharp(await sharp(upright).rotate(270).toBuffer())
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const [one = [], other = []] = await runner.readTexts([upright, turned]);
    expect(textsOf(other)).toEqual(textsOf(one));
    expect(other.map(({ corners }) => corners)).toEqual(one.map(({ corners }) => corners));
  });

  it('turns lines that stand on their head', async () => {
    const { runner } = await started();
    const [[first] = []] = await runner.readTexts([picture('rot180.png')]);
    expect(foldText(first?.text ?? '')).toBe(foldText(golden['rot180.png']?.[0]?.text ?? ''));
  });
});

describe('readTexts', () => {
  it('gives text, confidence and corners of each line, in reading order', async () => {
    const { runner } = await started({ ocrModel: made });
    const [lines = []] = await runner.readTexts([
      await barredPicture([bar(100, 300, READ_AS_B), bar(500, 103, READ_AS_B), bar(100, 100, READ_AS_A)]),
    ]);
    expect(textsOf(lines)).toEqual(['a', 'b', 'b']);
    for (const { confidence } of lines) expect(confidence).toBeGreaterThan(0.6);
    const [[left, top], , [right, bottom]] = lines[0]?.corners ?? [[], [], []];
    expect([left, top, right, bottom].map((value) => Math.round((value ?? NaN) / 16))).toEqual([5, 5, 15, 9]);
  });

  it('fails a picture alone: no picture, no usable map, no usable reading', async () => {
    const { runner } = await started({ ocrModel: made });
    const photos = await runner.readTexts(
      [
        await barredPicture([bar(100, 100, READ_AS_A)]),
        Buffer.from('no picture'),
        await barredPicture([bar(100, 100, READ_AS_A), bar(100, 300, NO_MAP)]),
        await barredPicture([bar(100, 100, READ_AS_A), bar(100, 300, NO_READING)]),
        await barredPicture([bar(100, 100, READ_AS_B)]),
      ],
      { onError: 'return' },
    );
    expect(photos.map((photo) => (photo instanceof RunnerError ? photo.code : textsOf(photo)))).toEqual([
      ['a'],
      'IMAGE_UNSUPPORTED',
      'RUN_BAD_OUTPUT',
      'RUN_BAD_OUTPUT',
      ['b'],
    ]);
  });

  it('leaves out lines that nothing is read in, or too little surely', async () => {
    const { runner } = await started({ ocrModel: made });
    const bars = await barredPicture([bar(100, 100, READ_AS_A), bar(100, 300, READ_AS_NOTHING)]);
    expect((await runner.readTexts([bars])).map(textsOf)).toEqual([['a']]);
    const strict = await started({ ocrModel: made, ocrThreshold: 1 });
    expect(await strict.runner.readTexts([bars])).toEqual([[]]);
  });

  it('reads the lines of many photos in common runs', async () => {
    const { runner } = await started({ ocrModel: made, threads: 1, maxBatch: 8 });
    const counts: number[] = [];
    runner.on('stage:measured', ({ stage, count }) => (stage === 'run' ? counts.push(count) : undefined));
    const photo = await barredPicture([1, 2, 3, 4].map((row) => bar(100, row * 100, READ_AS_A)));
    const photos = await runner.readTexts(Array.from({ length: 16 }, () => photo));
    expect(photos.map(({ length }) => length)).toEqual(Array.from({ length: 16 }, () => 4));
    // Four lines count as one place, so a run has the lines of eight such photos.
    expect(Math.max(...counts)).toBe(8);
  });

  it('needs the task', async () => {
    const { runner } = await started({ tasks: ['face'], faceModel: MARKER });
    await expect(runner.readTexts([picture('blank.png')])).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringContaining('"ocr"') as string,
    });
  });
});

describe('a job with the task ocr', () => {
  const place = async (name: string, bytes: Promise<Buffer>): Promise<void> =>
    writeFile(path.join(root, name), await bytes);

  it('posts the text with the body of the contract, and the empty form where there is none', async () => {
    await place('two.png', barredPicture([bar(100, 100, READ_AS_A), bar(100, 300, READ_AS_B)]));
    await place('none.png', barredPicture([]));
    const { runner, queue, sink } = await started({ ocrModel: made });
    const done = ended(runner, 2);
    queue.push(photoJob(1, 'two.png', ['ocr']));
    queue.push(photoJob(2, 'none.png', ['ocr', 'thumbnail']));
    await done;
    const [two, none] = [1, 2].map((id) => sink.deliveries.filter(({ jobId }) => jobId === String(id)));
    const corners = expect.arrayContaining([[expect.any(Number), expect.any(Number)]]) as unknown;
    const item = (text: string): unknown => ({ text, conf: expect.any(Number) as number, bbox: corners });
    expect(two).toMatchObject([{ path: '/api/internal/photos/1/ml_result' }]);
    expect(two?.[0]?.body).toEqual({
      ml_result: {
        ocr_text: 'a\nb',
        ocr: { text: 'a\nb', items: [item('a'), item('b')], lang: ['en'], source: 'clip_runner' },
      },
      processing_status: 'done',
    });
    expect(none?.map(({ body }) => body)).toEqual([{ ml_result: { ocr_text: '' }, processing_status: 'done' }]);
  });

  it('decodes its file once for clip, face and ocr together', async () => {
    await place('sign.png', barredPicture([bar(100, 100, READ_AS_A)]));
    const options = { models: [{ label: 'tiny', name: CLIP }], faceModel: MARKER, ocrModel: made };
    const { runner, queue, sink } = await started({ tasks: ['clip', 'face', 'ocr'], ...options });
    const done = ended(runner, 1);
    queue.push(photoJob(7, 'sign.png', ['clip', 'face', 'ocr']));
    await done;
    expect(sink.deliveries.map(({ unit }) => unit).sort()).toEqual([
      'clip/tiny',
      'face/arcface-buffalo_l',
      'ocr/pp-ocr',
    ]);
    expect(runner.stats().images.decoded).toBe(1);
  });

  it('reads the best of very many lines, and says so', async () => {
    const many = Array.from({ length: 500 }, (_, i) => {
      const [x, y] = [20 + (i % 20) * 46, 10 + Math.floor(i / 20) * 28];
      return { x, y, width: 24, height: 10, color: i % 2 === 0 ? READ_AS_A : '#66cc66' };
    });
    await place('many.png', barredPicture(many));
    const { runner, queue, sink } = await started({ ocrModel: made });
    const warnings: RunnerEvents['job:warning'][] = [];
    runner.on('job:warning', (event) => warnings.push(event));
    const done = ended(runner, 1);
    queue.push(photoJob(3, 'many.png', ['ocr']));
    await done;
    const [delivery] = sink.deliveries;
    const { items } = (delivery?.body['ml_result'] as { ocr: { items: unknown[] } }).ocr;
    expect(items).toHaveLength(200);
    expect(warnings).toEqual([
      expect.objectContaining({
        jobId: '3',
        unit: 'ocr/pp-ocr',
        message: expect.stringMatching(/^\d+ lines .* best 200/) as string,
      }),
    ]);
  });
});

describe('a text reader', () => {
  it.each<[string, () => Promise<string>, string, string]>([
    ['a folder that is not there', async () => Promise.resolve('./nowhere'), 'MODEL_NOT_FOUND', 'no text reader'],
    [
      'a list of other characters',
      async () => Promise.resolve(writeMadeOcr(path.join(root, 'long'), 'a\nb\nc\nd')),
      'MODEL_INVALID',
      '3 classes apart, but there are 4 characters',
    ],
    ['no list of characters', () => without('made_keys.txt'), 'MODEL_NOT_FOUND', 'list of characters'],
    ['no detector', () => without('made_det.onnx'), 'MODEL_NOT_FOUND', 'text detection graph'],
    ['a classifier that is none', withDetectorAsClassifier, 'MODEL_INVALID', 'expected one output [batch, 2]'],
    ['graphs that changed places', swapped, 'MODEL_INVALID', 'made_det.onnx: expected'],
  ])('with %s is refused at the start', async (_, folder, code, message) => {
    const { runner } = setUp({ ocrModel: await folder() });
    await expect(runner.start()).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  async function without(name: string): Promise<string> {
    const folder = writeMadeOcr(await mkdtemp(path.join(root, 'part-')));
    await rm(path.join(folder, name));
    return folder;
  }

  async function withDetectorAsClassifier(): Promise<string> {
    const folder = writeMadeOcr(await mkdtemp(path.join(root, 'classifier-')));
    await copyFile(path.join(folder, 'made_det.onnx'), path.join(folder, 'made_cls.onnx'));
    return folder;
  }

  async function swapped(): Promise<string> {
    const folder = writeMadeOcr(await mkdtemp(path.join(root, 'swapped-')));
    const [detector, recogniser] = ['made_det.onnx', 'made_rec.onnx'].map((name) => path.join(folder, name));
    const bytes = await readFile(detector ?? '');
    await copyFile(recogniser ?? '', detector ?? '');
    await writeFile(recogniser ?? '', bytes);
    return folder;
  }
});
