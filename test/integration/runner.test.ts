import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createRunner,
  memoryQueue,
  memorySink,
  RunnerError,
  type MemoryQueue,
  type MemorySink,
  type Runner,
  type RunnerOptions,
  type Task,
} from '../../dist/index.js';
import moody from '../fixtures/tasks/moody.js';
import { CLIP, cosine, goldenEmbedding, IMAGES, photoJob, SIGLIP } from '../support/fixtures.js';

const task: Task = moody;
const running: Runner[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((runner) => runner.stop()));
});

interface SetUp {
  readonly runner: Runner;
  readonly queue: MemoryQueue;
  readonly sink: MemorySink;
}

function setUp(options: Partial<RunnerOptions> = {}): SetUp {
  const queue = memoryQueue({ backoffBaseMs: 10 });
  const sink = memorySink();
  const models = [{ label: 'tiny', name: CLIP }];
  const runner = createRunner({ queue, sink, models, roots: [IMAGES], device: 'cpu', ...options });
  running.push(runner);
  return { runner, queue, sink };
}

/** Resolves when so many jobs have come to their end. */
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

describe('a sink that wants to be opened', () => {
  it('is opened once, while the models load, and need not succeed', async () => {
    const told: string[] = [];
    const open = async (): Promise<void> => {
      told.push('open');
      await Promise.reject(new Error('not yet'));
    };
    const sink = { name: 'book', open, deliver: () => Promise.resolve() };
    const { runner, queue } = setUp({ sink });
    runner.on('model:ready', () => told.push('ready'));
    const done = ended(runner, 1);
    queue.push(photoJob(1, 'exif_6.jpg'));
    await runner.start();
    await done;
    expect(runner.stats().jobs).toMatchObject({ done: 1, buried: 0 });
    expect(told).toEqual(['open', 'ready']);
  });
});

describe('a job on its way', () => {
  it('posts one callback per model, with the body of the contract', async () => {
    const { runner, queue, sink } = setUp({
      models: [
        { label: 'first', name: CLIP },
        { label: 'second', name: SIGLIP },
      ],
    });
    queue.push(photoJob('9007199254740993', 'exif_6.jpg'));
    const end = ended(runner, 1);
    await runner.start();
    await end;
    expect(sink.deliveries.map(({ path: url }) => url)).toEqual(
      Array(2).fill('/api/internal/photos/9007199254740993/ml_result'),
    );
    for (const [index, [label, name, model]] of [
      ['first', CLIP, 'clip-tiny'] as const,
      ['second', SIGLIP, 'siglip-tiny'] as const,
    ].entries()) {
      const body = sink.deliveries[index]?.body;
      expect({ ...body, embedding: null }).toEqual({
        model: label,
        modality: 'image',
        embedding: null,
        ml_result: { source: 'clip_runner', model_name: name, device: 'cpu' },
        processing_status: 'done',
      });
      expect(cosine(body?.['embedding'] as number[], goldenEmbedding(model, 'exif_6.jpg'))).toBeGreaterThan(0.9999);
    }
  });

  it('takes the pixels as stored with orientation: ignore, as the Python runner did', async () => {
    const { runner } = setUp({ orientation: 'ignore', resample: 'exact' });
    await runner.start();
    const [vector] = await runner.embedImages([path.join(IMAGES, 'exif_6.jpg')]);
    expect(cosine(vector!, goldenEmbedding('clip-tiny', 'exif_6.jpg', 'pil'))).toBeGreaterThan(0.99999);
  });

  it('acknowledges jobs that ask for nothing that it does, and names their tasks', async () => {
    const { runner, queue, sink } = setUp();
    const ignored: string[] = [];
    runner.on('job:ignored', ({ tasks }) => ignored.push(...tasks));
    queue.push(
      photoJob(1, 'gone.jpg', ['thumbnail']),
      photoJob(2, 'gone.jpg', []),
      '{"photo_id":3,"user_id":1,"path":"x"}',
    );
    const end = ended(runner, 3);
    await runner.start();
    await end;
    expect(ignored).toEqual(['thumbnail']);
    expect(sink.deliveries).toEqual([]);
    expect(queue.dead()).toEqual([]);
  });

  it('buries what it cannot understand with its own bytes and a reason, and goes on', async () => {
    const { runner, queue, sink } = setUp({ maxElementBytes: 1000 });
    const binary = Buffer.from([0xff, 0xfe, 0x00, 0x7b]);
    const long = JSON.stringify({ photo_id: 1, user_id: 1, path: 'x'.repeat(2000), tasks: ['clip'] });
    queue.push('not json', binary, long, photoJob(7, 'chelsea.jpg'));
    const end = ended(runner, 4);
    await runner.start();
    await end;
    expect(queue.dead().map(({ raw }) => raw)).toEqual([Buffer.from('not json'), binary, Buffer.from(long)]);
    expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['7']);
  });

  it('never lets a bad photo harm its batch-mates', async () => {
    const { runner, queue, sink } = setUp();
    const bad = ['bad/truncated.jpg', 'bad/random.jpg', '../../../etc/passwd', 'no-such.jpg'];
    const good = ['chelsea.jpg', 'rocket.jpg', 'camera.jpg', 'exif_3.jpg'];
    const reasons = new Map<string, string>();
    runner.on('job:buried', ({ jobId, reason }) => reasons.set(jobId, reason));
    [...bad, ...good].forEach((file, index) => queue.push(photoJob(index + 1, file)));
    const end = ended(runner, 8);
    await runner.start();
    await end;
    expect(sink.deliveries.map(({ jobId }) => jobId).sort()).toEqual(['5', '6', '7', '8']);
    expect(reasons.get('1')).toBe('decode');
    expect(reasons.get('2')).toBe('unsupported');
    expect(reasons.get('3')).toBe('path');
    expect(reasons.get('4')).toBe('not_found');
    expect(queue.dead()).toHaveLength(4);
  });
});

describe('tasks', () => {
  it('halves a failing batch until the bad photo stands alone; its mates succeed', async () => {
    const { runner, queue, sink } = setUp({ tasks: [task], models: [] });
    const files = ['chelsea.jpg', 'rocket.jpg', 'odd_333x251.png', 'camera.jpg'];
    files.forEach((file, index) => queue.push(photoJob(index + 1, file, ['moody'])));
    const errors: string[] = [];
    runner.on('job:retried', ({ error }) => errors.push(error.message));
    const end = ended(runner, 4);
    await runner.start();
    await end;
    expect(sink.deliveries.map(({ jobId }) => jobId).sort()).toEqual(['1', '2', '4']);
    expect(new Set(errors)).toEqual(new Set(['a batch of 1 with a bad photo']));
    const [dead] = queue.dead();
    expect(JSON.parse(dead!.entry.toString())).toMatchObject({
      photo_id: 3,
      _runner: { reason: 'exhausted', attempts: 5 },
    });
  });

  it('turns a value that can not be cloned into the failure of that photo alone', async () => {
    const { runner, queue, sink } = setUp({ tasks: [task], models: [] });
    queue.push(photoJob(1, 'portrait_301x640.jpg', ['moody']), photoJob(2, 'camera.jpg', ['moody']));
    const end = ended(runner, 2);
    await runner.start();
    await end;
    expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['2']);
    expect(queue.dead()).toHaveLength(1);
  });

  it('survives a thread that ends: its jobs are tried again, and a new thread takes over', async () => {
    const { runner, queue, sink } = setUp({ tasks: [task], models: [], maxBatch: 1 });
    queue.push(photoJob(1, 'tiny_7x5.png', ['moody']));
    // Only then: a photo that shares the thread with one that kills it may spend its attempts along with it.
    runner.on('job:buried', ({ jobId }) => jobId === '1' && queue.push(photoJob(2, 'camera.jpg', ['moody'])));
    const codes = new Set<string>();
    runner.on('job:retried', ({ error }) => codes.add(error.code));
    const end = ended(runner, 2);
    await runner.start();
    await end;
    expect(codes).toContain('THREAD_DIED');
    expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['2']);
    expect(queue.dead()).toHaveLength(1);
  });
});

describe('direct calls', () => {
  it('embeds paths and bytes with the same vectors as the reference', async () => {
    const { runner } = setUp();
    await runner.start();
    const file = path.join(IMAGES, 'chelsea.jpg');
    const bytes = await readFile(file);
    const before = Buffer.from(bytes);
    const [fromPath, fromBytes] = await runner.embedImages([file, bytes]);
    expect(fromPath).toEqual(fromBytes);
    expect(bytes).toEqual(before);
    expect(fromPath).toBeInstanceOf(Float32Array);
    expect(Math.hypot(...fromPath!)).toBeCloseTo(1, 6);
    expect(cosine(fromPath!, goldenEmbedding('clip-tiny', 'chelsea.jpg'))).toBeGreaterThan(0.9999);
  });

  it('works without queue and sink, and names the model by its label', async () => {
    const runner = createRunner({
      models: [
        { label: 'a', name: CLIP },
        { label: 'b', name: SIGLIP },
      ],
    });
    running.push(runner);
    await runner.start();
    const [vector] = await runner.embedImages([path.join(IMAGES, 'rocket.jpg')], { model: 'b' });
    expect(cosine(vector!, goldenEmbedding('siglip-tiny', 'rocket.jpg'))).toBeGreaterThan(0.9999);
    await expect(runner.embedImages(['x.jpg'], { model: 'c' })).rejects.toThrow('The labels are: a, b');
  });

  it('throws the first failure, or returns each in its place', async () => {
    const { runner } = setUp();
    await runner.start();
    const inputs = [path.join(IMAGES, 'camera.jpg'), Buffer.from('hello'), '/no/such.jpg'];
    await expect(runner.embedImages(inputs)).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    const values = await runner.embedImages(inputs, { onError: 'return' });
    expect(values[0]).toBeInstanceOf(Float32Array);
    expect(values.slice(1).map((value) => (value instanceof RunnerError ? value.code : 'none'))).toEqual([
      'IMAGE_UNSUPPORTED',
      'FILE_NOT_FOUND',
    ]);
    expect(await runner.embedImages([])).toEqual([]);
  });

  it('shares batches with the queue', async () => {
    const { runner, queue } = setUp({ maxBatch: 32 });
    for (let i = 1; i <= 20; i++) queue.push(photoJob(i, 'camera.jpg'));
    const end = ended(runner, 20);
    await runner.start();
    await Promise.all([end, runner.embedImages(Array(10).fill(path.join(IMAGES, 'gray.jpg')))]);
    const { batches, stages } = runner.stats();
    expect(stages['decode']?.count).toBe(30);
    expect(batches.count).toBeLessThan(10);
  });

  it('says that start() must be awaited first', async () => {
    const { runner } = setUp();
    await expect(runner.embedImages(['x.jpg'])).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  });
});

describe('start', () => {
  it('refuses a model of the wrong length before the first job', async () => {
    const { runner, queue } = setUp({ embeddingDim: 768 });
    queue.push(photoJob(1, 'camera.jpg'));
    await expect(runner.start()).rejects.toMatchObject({ code: 'MODEL_WRONG_LENGTH' });
    expect(queue.waiting()).toHaveLength(1);
  });

  it('refuses a device that is not here with strictDevice, and says so in stats() without', async () => {
    const strict = setUp({ device: 'cuda', strictDevice: true });
    await expect(strict.runner.start()).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' });
    const lenient = setUp({ device: 'cuda' });
    await lenient.runner.start();
    expect(lenient.runner.stats().models).toMatchObject([
      { label: 'tiny', device: 'cpu', dimension: 64, refusals: [expect.stringMatching(/^cuda: ./)] },
    ]);
  });

  it('says what is wrong with a folder that holds no model', async () => {
    const { runner } = setUp({ models: [{ label: 'x', name: IMAGES }] });
    await expect(runner.start()).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it.each([
    [{ maxBatch: 0 }, 'maxBatch'],
    [{ threads: 0 }, '"threads" must be a whole number of at least 1'],
    [{ maxBatch: 1.5 }, 'maxBatch'],
    [{ dtype: 'int4' }, 'dtype'],
    [{ models: 'a=x,a=y' }, 'stands twice'],
    [{ tasks: ['clip', 'teleport'] }, 'teleport'],
    [{ models: [] }, 'needs a model'],
    [{ sink: undefined }, 'needs a sink'],
    [{ maxbatch: 3 }, 'no option "maxbatch"'],
  ])('refuses %j at once', (options, message) => {
    expect(() => setUp(options as never)).toThrow(message);
  });

  it('keeps two runners in one process apart', async () => {
    const [one, two] = [setUp(), setUp({ models: [{ label: 'other', name: SIGLIP }] })];
    one.queue.push(photoJob(1, 'chelsea.jpg'));
    two.queue.push(photoJob(2, 'chelsea.jpg'));
    const end = Promise.all([ended(one.runner, 1), ended(two.runner, 1)]);
    await Promise.all([one.runner.start(), two.runner.start()]);
    await end;
    await one.runner.stop();
    expect(one.sink.deliveries.map(({ body }) => body['model'])).toEqual(['tiny']);
    expect(two.sink.deliveries.map(({ body }) => body['model'])).toEqual(['other']);
    expect(await two.runner.embedImages([path.join(IMAGES, 'gray.jpg')])).toHaveLength(1);
  });
});

describe('stop', () => {
  it('finishes what is in hand and leaves the rest in the queue in its order', async () => {
    const { runner, queue, sink } = setUp({ maxBatch: 2 });
    const total = 200;
    for (let i = 1; i <= total; i++) queue.push(photoJob(i, 'camera.jpg'));
    const some = ended(runner, 5);
    await runner.start();
    await some;
    await runner.stop();
    const left = queue.waiting().map((raw) => (JSON.parse(raw.toString()) as { photo_id: number }).photo_id);
    const done = sink.deliveries.map(({ jobId }) => Number(jobId));
    expect([...done, ...left].sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    expect(left).toEqual([...left].sort((a, b) => a - b));
    expect(left.length).toBeGreaterThan(0);
  });

  it('gives jobs back uncounted when the sink is down', async () => {
    const down = memorySink({
      respond: () => {
        throw new RunnerError('HTTP_UNAVAILABLE', 'the server is away');
      },
    });
    const { runner, queue } = setUp({ sink: down });
    for (let i = 1; i <= 6; i++) queue.push(photoJob(i, 'camera.jpg'));
    const opened = new Promise((resolve) => runner.on('sink:down', resolve));
    await runner.start();
    await opened;
    await runner.stop({ deadlineMs: 500 });
    expect(queue.waiting().map((raw) => (JSON.parse(raw.toString()) as { photo_id: number }).photo_id)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(queue.dead()).toEqual([]);
    expect(runner.stats().jobs).toMatchObject({ done: 0, retried: 0, buried: 0, inFlight: 0 });
  });

  it('is idempotent, works before start and ends a start under way', async () => {
    const { runner } = setUp();
    await runner.stop();
    expect(runner.stats().state).toBe('stopped');
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });

    const other = setUp().runner;
    const starting = other.start();
    const [first, second] = [other.stop(), other.stop()];
    await expect(starting).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    await Promise.all([first, second]);
    expect(other.stats().state).toBe('stopped');
  });

  it('stops by itself when the server refuses its token for good', async () => {
    const refusing = memorySink({
      respond: () => {
        throw new RunnerError('HTTP_UNAUTHORIZED', 'wrong token');
      },
    });
    const { runner, queue } = setUp({ sink: refusing, authFailLimit: 2 });
    queue.push(photoJob(1, 'camera.jpg'));
    const failed = new Promise<RunnerError>((resolve) => runner.on('runner:failed', ({ error }) => resolve(error)));
    const stopped = new Promise((resolve) => runner.on('runner:stopped', resolve));
    await runner.start();
    expect((await failed).code).toBe('HTTP_UNAUTHORIZED');
    await stopped;
    expect(queue.waiting()).toHaveLength(1);
  });

  it('never lets a listener that throws harm the work', async () => {
    const { runner, queue, sink } = setUp();
    const warned = new Promise((resolve) => process.once('warning', resolve));
    runner.on('job:claimed', () => {
      throw new Error('a listener');
    });
    queue.push(photoJob(1, 'camera.jpg'));
    const end = ended(runner, 1);
    await runner.start();
    await end;
    await warned;
    expect(sink.deliveries).toHaveLength(1);
  });
});
