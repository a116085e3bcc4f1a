import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createRunner,
  memoryQueue,
  memorySink,
  RunnerError,
  type Runner,
  type RunnerOptions,
} from '../../dist/index.js';
import { CLIP, cosine, goldenEmbedding, IMAGES, photoJob, SIGLIP } from '../support/fixtures.js';
import { writeTextModel } from '../support/text-model.js';
import { until } from '../support/until.js';

let root: string;
let causal: string;
let runner: Runner;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-texts-'));
  causal = await writeTextModel(path.join(root, 'causal'));
});
afterEach(() => runner.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

async function start(options: Partial<RunnerOptions> = {}): Promise<Runner> {
  const models = [
    { label: 'siglip', name: SIGLIP },
    { label: 'causal', name: causal },
  ];
  runner = createRunner({ models, tasks: ['text'], roots: [IMAGES], device: 'cpu', ...options });
  await runner.start();
  return runner;
}

describe('embedTexts', () => {
  it('gives each text one unit vector, in order, the same alone and among others', async () => {
    await start();
    const texts = ['a cat', 'two dogs in the snow at night', '海边的猫', 'a cat'];
    for (const model of ['siglip', 'causal']) {
      const vectors = await runner.embedTexts(texts, { model });
      expect(vectors.map((vector) => vector.length)).toEqual([64, 64, 64, 64]);
      for (const [index, text] of texts.entries()) {
        expect(vectors[index]).toBeInstanceOf(Float32Array);
        expect(Math.hypot(...vectors[index]!)).toBeCloseTo(1, 6);
        const [alone] = await runner.embedTexts([text], { model });
        expect(cosine(vectors[index]!, alone!)).toBeGreaterThan(0.999999);
      }
      expect(cosine(vectors[0]!, vectors[1]!)).toBeLessThan(0.999);
    }
    expect(await runner.embedTexts([])).toEqual([]);
  });

  it('loads only text graphs where only texts are asked for, and says what is missing for pictures', async () => {
    await start();
    expect(runner.stats().models.map(({ task, label, dimension }) => [task, label, dimension])).toEqual([
      ['text', 'siglip', 64],
      ['text', 'causal', 64],
    ]);
    await expect(runner.embedImages(['x.jpg'])).rejects.toThrow('needs the task "clip"');
  });

  it('needs the task text, and says so; without it no text side is needed', async () => {
    await start({ tasks: ['clip'], models: [{ label: 'tiny', name: CLIP }] });
    const error: unknown = await runner.embedTexts(['a cat']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'OPTIONS_INVALID' });
    expect((error as Error).message).toContain("tasks: ['clip', 'text']");
  });

  it('refuses a model without a text side before it is ready', async () => {
    await expect(start({ models: [{ label: 'tiny', name: CLIP }] })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('names the labels for one that it does not know, and refuses what is no string', async () => {
    await start();
    await expect(runner.embedTexts(['a'], { model: '../x' })).rejects.toThrow('The labels are: siglip, causal');
    await expect(runner.embedTexts([7 as never])).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  it('fails a blank text alone, or the whole call where that is asked for', async () => {
    await start();
    const texts = ['a cat', '', ' \n\u3000', 'a dog'];
    const values = await runner.embedTexts(texts, { onError: 'return' });
    expect(values.map((value) => (value instanceof RunnerError ? value.code : value.length))).toEqual([
      64,
      'JOB_INVALID',
      'JOB_INVALID',
      64,
    ]);
    await expect(runner.embedTexts(texts)).rejects.toThrow('text is required');
  });

  it('does not begin before start()', async () => {
    runner = createRunner({ models: [{ label: 'x', name: SIGLIP }], tasks: ['text'] });
    await expect(runner.embedTexts(['a'])).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  });

  it('gathers the texts of many calls into batches while the thread is busy', async () => {
    await start({ maxTextBatch: 16 });
    const calls = Array.from({ length: 64 }, (_, i) => runner.embedTexts([`a cat number ${i}`]));
    expect(await Promise.all(calls)).toHaveLength(64);
    // The first two go at once, alone; what comes meanwhile shares batches of 16.
    await until('every batch is counted', () => runner.stats().stages['prepare']?.count === 64);
    expect(runner.stats().batches.count).toBeLessThanOrEqual(8);
  });
});

describe('text jobs', () => {
  const textJob = (id: number | string, query: string, more: object = {}): object => ({
    type: 'text_embed',
    request_id: id,
    query,
    ...more,
  });

  it('get one callback each, by the model that they ask for, with its name as they wrote it', async () => {
    const queue = memoryQueue({ jobs: 'text' });
    const sink = memorySink();
    expect(queue.name).toBe('text_tasks');
    queue.push(
      textJob(1, 'a cat'),
      textJob('9007199254740993', 'a cat', { model: null, limit: -1 }),
      textJob(3, 'a cat', { model: 'causal', limit: 1e9 }),
      textJob(4, 'a cat', { model: causal }),
    );
    await start({ queue, sink });
    await until('all are done', () => runner.stats().jobs.done === 4);
    expect(sink.deliveries).toHaveLength(4);
    const [siglip] = await runner.embedTexts(['a cat'], { model: 'siglip' });
    const [other] = await runner.embedTexts(['a cat'], { model: 'causal' });
    for (const [id, unit, model, vector] of [
      ['1', 'text/siglip', 'siglip', siglip],
      ['9007199254740993', 'text/siglip', 'siglip', siglip],
      ['3', 'text/causal', 'causal', other],
      ['4', 'text/causal', causal, other],
    ] as const) {
      const delivery = sink.deliveries.find(({ jobId }) => jobId === id)!;
      expect(delivery).toMatchObject({ unit, path: `/api/internal/text_queries/${id}`, body: { model } });
      expect(Object.keys(delivery.body)).toEqual(['embedding', 'model']);
      expect(cosine(delivery.body['embedding'] as number[], vector!)).toBeGreaterThan(0.999999);
    }
  });

  it('row 86: become dead letters for a model that is not there, with a short message that names the labels', async () => {
    const queue = memoryQueue({ jobs: 'text' });
    const models = ['nope', '../../etc/passwd', 'x'.repeat(10_000), 'text/siglip', 'SIGLIP'];
    models.forEach((model, index) => queue.push(textJob(index + 1, 'a cat', { model })));
    queue.push({ photo_id: 1, user_id: 1, path: 'gray.jpg', tasks: ['clip'] });
    const messages: string[] = [];
    await start({ queue, sink: memorySink(), tasks: ['clip', 'text'], models: [{ label: 'siglip', name: SIGLIP }] });
    runner.on('job:buried', ({ reason, error }) => messages.push(`${reason} ${error.message}`));
    await until('all are buried', () => queue.dead().length === models.length + 1);
    expect(messages.filter((message) => message.endsWith('The labels are: siglip.'))).toHaveLength(models.length);
    expect(messages.filter((message) => message.includes('REDIS_QUEUE_NAME'))).toHaveLength(1);
    for (const message of messages) expect(message.length).toBeLessThan(200);
  });

  it('go on being claimed after one of them failed in the model, and its mates are answered', async () => {
    const brittle = await writeTextModel(path.join(root, 'brittle'), { kind: 'brittle' });
    const queue = memoryQueue({ jobs: 'text', maxAttempts: 1 });
    const sink = memorySink();
    await start({ queue, sink, models: [{ label: 'brittle', name: brittle }], maxTextBatch: 2, maxInFlight: 4 });
    for (let round = 0; round < 3; round++) {
      const texts = ['a cat', 'a dog', 'a horse', 'a bird', 'a dog', 'a boat'];
      queue.push(...texts.map((text, index) => textJob(10 * round + index + 1, text)));
      await until('the round is over', () => {
        const { done, buried } = runner.stats().jobs;
        return done === 4 * (round + 1) && buried === 2 * (round + 1);
      });
    }
    expect(sink.deliveries.map(({ jobId }) => Number(jobId) % 10).sort()).toEqual(
      [1, 3, 4, 6].flatMap((id) => [id, id, id]),
    );
    expect(queue.dead()).toHaveLength(6);
  });

  it('answer odd texts: long ones, halves of pairs, control characters, special tokens', async () => {
    const queue = memoryQueue({ jobs: 'text' });
    const sink = memorySink();
    const texts = [
      'a'.repeat(1_000_000),
      'a cat on the beach '.repeat(60_000),
      '\u{1F602}'.repeat(500_000),
      'lone \ud800 half',
      'a\u0000cat\u0007',
      '<|endoftext|> a cat <|startoftext|>',
      '👨‍👩‍👧‍👦 🇨🇳 مرحبا z̸̧̛̰͐͗',
      '!?…',
    ];
    texts.forEach((text, index) => queue.push(textJob(index + 1, text)));
    await start({ queue, sink });
    await until('all are done', () => runner.stats().jobs.done === texts.length);
    expect(queue.dead()).toEqual([]);
    const vectors = await runner.embedTexts(texts);
    for (const [index, vector] of vectors.entries()) {
      const { body } = sink.deliveries.find(({ jobId }) => jobId === String(index + 1))!;
      expect(cosine(body['embedding'] as number[], vector)).toBeGreaterThan(0.999999);
    }
  });

  it('are refused where the runner has no task for them, and so is a queue of jobs that nobody knows', () => {
    const sink = memorySink();
    const models = [{ label: 'siglip', name: SIGLIP }];
    const text = memoryQueue({ jobs: 'text' });
    expect(() => createRunner({ queue: text, sink, models })).toThrow('no task "text"');
    const unknown = memoryQueue({ jobs: 'texts' });
    expect(() => createRunner({ queue: unknown, sink, models })).toThrow('expected "photo", "text"');
  });
});

describe('both lanes in one runner', () => {
  it('answer jobs of both queues', async () => {
    const photos = memoryQueue();
    const texts = memoryQueue({ jobs: 'text' });
    const sink = memorySink();
    for (let id = 1; id <= 20; id++) {
      photos.push(photoJob(id, 'gray.jpg'));
      texts.push({ type: 'text_embed', request_id: id, query: `cat number ${id}` });
    }
    const models = [{ label: 'siglip', name: SIGLIP }];
    await start({ tasks: ['clip', 'text'], models, queue: [photos, texts], sink });
    await until('all are done', () => runner.stats().jobs.done === 40);
    const paths = sink.deliveries.map(({ path: where }) => where);
    for (let id = 1; id <= 20; id++) {
      expect(paths).toContain(`/api/internal/photos/${id}/ml_result`);
      expect(paths).toContain(`/api/internal/text_queries/${id}`);
    }
    expect([...photos.dead(), ...texts.dead()]).toEqual([]);
  });

  it('embed pictures and texts into the same space, and texts do not queue behind photos', async () => {
    const queue = memoryQueue();
    const sink = memorySink();
    const photos = 60;
    for (let id = 1; id <= photos; id++) queue.push(photoJob(id, 'chelsea.jpg'));
    await start({ tasks: ['clip', 'text'], models: [{ label: 'siglip', name: SIGLIP }], queue, sink });
    await until('photos fill their lane', () => runner.stats().jobs.inFlight > 16);
    const begun: string[] = [];
    runner.on('batch:started', ({ lane }) => begun.push(lane));
    const call = runner.embedTexts(['a cat']);
    // At once, and before any of the photos that came earlier.
    expect(begun).toEqual(['text']);
    const [vector] = await call;
    const [image] = await runner.embedImages([path.join(IMAGES, 'rocket.jpg')]);
    expect(vector).toHaveLength(image!.length);
    expect(cosine(image!, goldenEmbedding('siglip-tiny', 'rocket.jpg'))).toBeGreaterThan(0.9999);
    await until('all photos are done', () => runner.stats().jobs.done === photos);
    expect(new Set(sink.deliveries.map(({ unit }) => unit))).toEqual(new Set(['clip/siglip']));
  });

  it('answer what they hold when the runner stops', async () => {
    await start({ tasks: ['clip', 'text'], models: [{ label: 'siglip', name: SIGLIP }] });
    const calls = [
      runner.embedTexts(Array<string>(40).fill('a cat')),
      runner.embedImages([path.join(IMAGES, 'gray.jpg')]),
    ];
    await runner.stop();
    for (const values of await Promise.all(calls)) expect(values[0]).toHaveLength(64);
  });
});
