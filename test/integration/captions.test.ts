import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createRunner,
  memoryQueue,
  memorySink,
  RunnerError,
  type MemoryQueue,
  type MemorySink,
  type Runner,
  type RunnerOptions,
} from '../../dist/index.js';
import { resolveCaptionModel } from '../../src/models/resolve-caption.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { openCaptioner } from '../../src/tasks/caption/captioner.js';
import type { Session, TensorData } from '../../src/tensor.js';
import { captionIds, UNSTOPPED } from '../support/captioner.js';
import { BLIP, FLORENCE2, SIGLIP, VIT_GPT2, cosine, IMAGES, photoJob, readFolder } from '../support/fixtures.js';
import { startHubServer } from '../support/hub-server.js';
import { MARKER } from '../support/marked-picture.js';

interface Golden {
  readonly maxNewTokens: number;
  readonly captions: Readonly<Record<string, { readonly ids: readonly number[]; readonly text: string }>>;
}

const readGolden = (name: string): Golden =>
  JSON.parse(readFileSync(new URL(`../fixtures/golden/${name}.json`, import.meta.url), 'utf8')) as Golden;
const golden = readGolden('captions');
const names = Object.keys(golden.captions);
const silent = names.filter((name) => golden.captions[name]?.text === '');
const running: Runner[] = [];
let root: string;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-captions-'));
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
    ...{ queue, sink, models: `tiny=${SIGLIP}`, tasks: ['clip', 'caption'], captionModel: BLIP, roots: [IMAGES] },
    ...{ captionMaxTokens: golden.maxNewTokens, resample: 'exact', device: 'cpu' },
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

const files = (list: readonly string[]): string[] => list.map((name) => path.join(IMAGES, name));

async function ended(runner: Runner, count: number): Promise<void> {
  await new Promise<void>((resolve) => {
    let left = count;
    const one = (): void => {
      left -= 1;
      if (left === 0) resolve();
    };
    runner.on('job:done', one);
    runner.on('job:buried', one);
  });
}

describe('describeImages', () => {
  it.each([1, 8])('says what transformers says of every picture, in batches of %i', async (maxBatch) => {
    const { runner } = await started({ maxBatch });
    const captions = await runner.describeImages(files(names));
    expect(Object.fromEntries(names.map((name, index) => [name, captions[index]?.text]))).toEqual(
      Object.fromEntries(names.map((name) => [name, golden.captions[name]?.text])),
    );
  });

  it('embeds the sentence with the text side of the first model; an empty one has no embedding', async () => {
    const { runner } = await started({ tasks: ['clip', 'caption', 'text'] });
    const captions = await runner.describeImages(files(names));
    expect(silent).toHaveLength(1);
    for (const [index, name] of names.entries()) {
      const { text = '', embedding } = captions[index] ?? {};
      if (text === '') {
        expect(silent).toContain(name);
        expect(embedding).toBeUndefined();
        continue;
      }
      const [own = []] = await runner.embedTexts([text]);
      expect(cosine(embedding ?? [], own), name).toBeGreaterThan(0.999999);
    }
  });

  it('ends a sentence that would go on at captionMaxTokens', async () => {
    const { runner } = await started({ captionMaxTokens: 3 });
    const [name = ''] = names.filter(
      (candidate) => (golden.captions[candidate]?.ids.length ?? 0) > golden.maxNewTokens,
    );
    const [caption] = await runner.describeImages(files([name]));
    expect(golden.captions[name]?.text.startsWith(caption?.text ?? '-')).toBe(true);
    expect(caption?.text.split(' ').length).toBeLessThanOrEqual(3);
  });

  it('lets a picture fail alone', async () => {
    const { runner } = await started();
    const [good, bad] = await runner.describeImages([...files(['brick.jpg']), new Uint8Array([1, 2, 3])], {
      onError: 'return',
    });
    expect(good).toMatchObject({ text: golden.captions['brick.jpg']?.text });
    expect(bad).toBeInstanceOf(RunnerError);
  });
});

describe('jobs', () => {
  it('posts a caption beside the embedding for every job with "clip", and none for an empty caption', async () => {
    const { runner, queue, sink } = await started();
    const done = ended(runner, names.length);
    for (const [index, name] of names.entries()) queue.push(photoJob(index + 1, name));
    await done;
    for (const [index, name] of names.entries()) {
      const id = String(index + 1);
      const own = sink.deliveries.filter(({ jobId }) => jobId === id);
      const kinds = own.map(({ body }) => body['modality']).sort();
      expect(kinds, name).toEqual(silent.includes(name) ? ['image'] : ['caption', 'image']);
      const caption = own.find(({ body }) => body['modality'] === 'caption');
      if (caption === undefined) continue;
      expect(caption.path).toBe(`/api/internal/photos/${id}/ml_result`);
      expect({ ...caption.body, embedding: (caption.body['embedding'] as number[]).length }).toEqual({
        model: 'tiny',
        modality: 'caption',
        embedding: 64,
        ml_result: { caption: golden.captions[name]?.text },
        processing_status: 'done',
      });
    }
    expect(queue.dead()).toEqual([]);
  });

  it('does a job with "caption" alone, and jobs with other tasks without it', async () => {
    const { runner, queue, sink } = await started({ tasks: ['clip', 'caption', 'face'], faceModel: MARKER });
    const done = ended(runner, 2);
    queue.push(photoJob(1, 'brick.jpg', ['caption']), photoJob(2, 'brick.jpg', ['face']));
    await done;
    expect(sink.deliveries.map(({ jobId, unit }) => [jobId, unit]).sort()).toEqual([
      ['1', 'caption/tiny'],
      ['2', 'face/arcface-buffalo_l'],
    ]);
  });

  it('decodes a photo once for clip, caption and face', async () => {
    const { runner, queue } = await started({ tasks: ['clip', 'caption', 'face'], faceModel: MARKER });
    const done = ended(runner, 1);
    queue.push(photoJob(1, 'brick.jpg', ['clip', 'face']));
    await done;
    expect(runner.stats().images.decoded).toBe(1);
  });

  it('posts the embedding of a photo whose caption could not be delivered', async () => {
    const sink = memorySink();
    const fails: Partial<RunnerOptions> = {
      sink: {
        ...sink,
        deliver: (delivery, signal) =>
          delivery.unit.startsWith('caption/')
            ? Promise.reject(new RunnerError('HTTP_GONE', 'no captions here'))
            : sink.deliver(delivery, signal),
      },
    };
    const { runner, queue } = await started(fails);
    const done = ended(runner, 1);
    queue.push(photoJob(1, 'brick.jpg'));
    await done;
    expect(sink.deliveries.map(({ unit }) => unit)).toEqual(['clip/tiny']);
    expect(queue.dead()).toHaveLength(1);
  });
});

describe.each([
  { kind: 'ViT-GPT2', folder: VIT_GPT2, goldens: 'vit-gpt2', repository: 'someone/vit-gpt2', name: 'someone/vit-gpt2' },
  {
    ...{ kind: 'Florence-2', folder: FLORENCE2, goldens: 'florence2' },
    ...{ repository: 'onnx-community/Florence-2-base-ft', name: 'microsoft/Florence-2-base-ft' },
  },
])("a captioner in Optimum's layout ($kind)", ({ folder, goldens, repository, name }) => {
  const { captions, maxNewTokens } = readGolden(goldens);
  const pictures = Object.keys(captions);
  const wanted = Object.values(captions);

  it.each([1, 6, 13])("has the ids of transformers' generate, in batches of %i", async (batch) => {
    const ids = await captionIds(folder, files(pictures), { maxNewTokens, batch });
    expect(ids).toEqual(wanted.map((caption) => caption.ids));
  });

  it('lets a picture alone fail whose numbers are none', async () => {
    const model = await resolveCaptionModel(folder);
    const openSession = async (file: string): Promise<Session> => {
      const session = await openOnnxSession(file, { device: 'cpu', strictDevice: false, intraOpThreads: 1 });
      return file === model.encoderFile ? { ...session, run: (feeds) => session.run(blackIsNaN(feeds)) } : session;
    };
    const captioner = await openCaptioner({ model, maxNewTokens, maxBatch: 3, openSession });
    try {
      const { width, height } = model.preprocess.crop;
      const plain = (value: number): Uint8Array => new Uint8Array(3 * width * height).fill(value);
      const [grey, white, black] = [plain(128), plain(255), plain(0)];
      const alone = [
        ...(await captioner.describe([grey], UNSTOPPED)),
        ...(await captioner.describe([white], UNSTOPPED)),
      ];
      const [first, failed, last] = await captioner.describe([grey, black, white], UNSTOPPED);
      expect([first, last]).toEqual(alone);
      expect(failed).toMatchObject({ code: 'RUN_BAD_OUTPUT' });
    } finally {
      await captioner.close();
    }
  });

  it('is downloaded by its name, and found in the cache then', async () => {
    const hub = await startHubServer();
    try {
      hub.put(repository, await readFolder(folder));
      for (const offline of [false, true]) {
        const { runner } = await started({
          ...{ captionModel: name, captionMaxTokens: maxNewTokens },
          hub: { endpoint: hub.url, cacheDir: path.join(root, 'hub'), offline },
        });
        const given = await runner.describeImages(files(pictures));
        expect(given.map(({ text }) => text)).toEqual(wanted.map(({ text }) => text));
      }
    } finally {
      await hub.close();
    }
  });
});

describe('a captioner that is not there', () => {
  it('is told with the way to make one', async () => {
    const { runner } = setUp({
      captionModel: 'Salesforce/blip-image-captioning-base',
      hub: { offline: true, cacheDir: root },
    });
    await expect(runner.start()).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringMatching(
        /export_blip\.py Salesforce\/blip-image-captioning-base .*CAPTION_ENABLED=0/,
      ) as string,
    });
  });

  it('is found by its name once it was exported into the cache', async () => {
    await cp(BLIP, path.join(root, 'clip-runner', 'exports', 'Salesforce--blip-image-captioning-base'), {
      recursive: true,
    });
    const { runner } = await started({
      captionModel: 'Salesforce/blip-image-captioning-base',
      hub: { offline: true, cacheDir: root },
    });
    const [caption] = await runner.describeImages(files(['brick.jpg']));
    expect(caption?.text).toBe(golden.captions['brick.jpg']?.text);
  });

  it('is refused where its decoder has no cache', async () => {
    const folder = path.join(root, 'no-cache');
    await cp(BLIP, folder, { recursive: true });
    await cp(
      path.join(SIGLIP, 'onnx', 'text_model.onnx'),
      path.join(folder, 'onnx', 'text_decoder_with_past_model.onnx'),
    );
    await expect(setUp({ captionModel: folder }).runner.start()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(
        'expected a decoder with input_ids or inputs_embeds, past_key_values.* and logits',
      ) as string,
    });
  });
});

/** A picture that is all black, alone in its batch, as one whose numbers are none. */
function blackIsNaN(feeds: Readonly<Record<string, TensorData>>): Record<string, TensorData> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      const isBlack = Array.from(tensor.data, Number).every((value) => value < -0.9);
      return [name, isBlack ? { ...tensor, data: new Float32Array(tensor.data.length).fill(Number.NaN) } : tensor];
    }),
  );
}
