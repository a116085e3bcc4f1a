import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createRunner,
  memoryQueue,
  memorySink,
  RunnerError,
  type MemoryQueue,
  type Queue,
  type QueueListener,
  type Runner,
  type RunnerOptions,
  type Task,
} from '../../dist/index.js';
import hanging from '../fixtures/tasks/hanging.js';
import moody from '../fixtures/tasks/moody.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';

const running: Runner[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((runner) => runner.stop({ deadlineMs: 1000 })));
});

function start(options: Partial<RunnerOptions>): { runner: Runner; queue: MemoryQueue } {
  const queue = memoryQueue({ backoffBaseMs: 10 });
  const runner = createRunner({
    queue,
    sink: memorySink(),
    models: [{ label: 'tiny', name: CLIP }],
    roots: [IMAGES],
    ...options,
  });
  running.push(runner);
  return { runner, queue };
}

function once(runner: Runner, name: Parameters<Runner['on']>[0]): Promise<unknown> {
  return new Promise((resolve) => runner.on(name, resolve));
}

describe('faults in code of one’s own', () => {
  it('a deliver() that returns no list fails that job alone', async () => {
    const task: Task = { ...moody, deliver: (() => undefined) as never };
    const { runner, queue } = start({ tasks: [task, 'clip'] });
    queue.push(photoJob(1, 'camera.jpg', ['moody']), photoJob(2, 'camera.jpg', ['clip']));
    const [buried, done] = [once(runner, 'job:buried'), once(runner, 'job:done')];
    await runner.start();
    expect(await buried).toMatchObject({ jobId: '1', error: { code: 'TASK_FAILED' } });
    expect(await done).toMatchObject({ jobId: '2' });
  });

  it('a job type that makes an odd job does not strand the jobs that were claimed with it', async () => {
    const queue = memoryQueue({
      jobs: {
        name: 'odd',
        parse: (text) => {
          const { photo_id: id } = JSON.parse(text) as { photo_id: number };
          const input = { kind: 'image', path: 'camera.jpg' } as const;
          return { type: 'odd', id: String(id), tasks: id === 2 ? (undefined as never) : ['clip'], input, fields: {} };
        },
      },
    });
    const sink = memorySink();
    const { runner } = start({ queue, sink });
    queue.push(photoJob(1, 'x'), photoJob(2, 'x'), photoJob(3, 'x'));
    const buried = once(runner, 'job:buried');
    const both = new Promise<void>((resolve) =>
      runner.on('job:done', () => runner.stats().jobs.done === 2 && resolve()),
    );
    await runner.start();
    expect(await buried).toMatchObject({ error: { code: 'JOB_INVALID' } });
    await both;
    expect(sink.deliveries.map(({ jobId }) => jobId).sort()).toEqual(['1', '3']);
  });

  it('a sink that throws anything is taken for down: its jobs are no dead letters', async () => {
    const { runner, queue } = start({
      sink: { name: 'broken', deliver: () => Promise.reject(new TypeError('fetch failed')) },
    });
    for (let i = 1; i <= 8; i++) queue.push(photoJob(i, 'camera.jpg'));
    const down = once(runner, 'sink:down');
    await runner.start();
    await down;
    await runner.stop({ deadlineMs: 200 });
    expect(queue.waiting()).toHaveLength(8);
    expect(queue.dead()).toEqual([]);
  });

  it('an async listener that rejects becomes a warning', async () => {
    const { runner, queue } = start({});
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the very mistake that is tested
    runner.on('job:done', () => Promise.reject(new Error('a listener')));
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    queue.push(photoJob(1, 'camera.jpg'));
    await runner.start();
    expect((await warned).message).toBe('a listener');
  });

  it('a queue that answers at once with nothing leaves the process time for everything else', async () => {
    const idle: Queue = {
      name: 'idle',
      jobs: 'photo',
      open: () => Promise.resolve(),
      claim: () => Promise.resolve([]),
      ack: () => Promise.resolve(),
      retry: () => Promise.resolve({ kind: 'scheduled', attempts: 1, delayMs: 0 }),
      bury: () => Promise.resolve(),
      giveBack: () => Promise.resolve(0),
      depth: () => Promise.resolve({ waiting: 0, inFlight: 0, retry: 0, suspects: 0, dead: 0 }),
      close: () => Promise.resolve(),
    };
    const { runner } = start({ queue: idle });
    await runner.start();
    await new Promise((resolve) => setTimeout(resolve, 10));
    await runner.stop();
    expect(runner.stats().state).toBe('stopped');
  });
});

describe('threads in trouble', () => {
  it('a new thread that can not load its models makes no dead letter with the model for a reason', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-model-'));
    await cp(CLIP, folder, { recursive: true });
    const { runner, queue } = start({ tasks: ['clip', moody], models: [{ label: 'x', name: folder }], maxBatch: 1 });
    const codes = new Set<string>();
    runner.on('job:retried', ({ error }) => codes.add(error.code));
    await runner.start();
    await rm(folder, { recursive: true });
    const buried = once(runner, 'job:buried');
    queue.push(photoJob(1, 'tiny_7x5.png', ['moody']), photoJob(2, 'camera.jpg'));
    await buried;
    expect(codes).toEqual(new Set(['THREAD_DIED']));
  });

  it('models that never load end start() after loadTimeoutMs, and a stop() before that', async () => {
    const { runner } = start({ tasks: [hanging], models: [], loadTimeoutMs: 300 });
    await expect(runner.start()).rejects.toMatchObject({ code: 'THREAD_TIMEOUT' });
    const other = start({ tasks: [hanging], models: [] }).runner;
    const starting = other.start();
    const stopping = new Promise((resolve) => setTimeout(resolve, 200)).then(() => other.stop({ deadlineMs: 500 }));
    await expect(starting).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    await stopping;
  });

  it('a runner whose threads all hang fails and gives the jobs back instead of waiting for ever', async () => {
    const { runner, queue } = start({ tasks: [moody], models: [], maxBatch: 1, batchTimeoutMs: 300 });
    for (let i = 1; i <= 20; i++) queue.push(photoJob(i, 'tall_20x2000.jpg', ['moody']));
    const [failed, stopped] = [once(runner, 'runner:failed'), once(runner, 'runner:stopped')];
    await runner.start();
    expect(await failed).toMatchObject({ error: { code: 'THREAD_TIMEOUT' } });
    await stopped;
    expect(queue.waiting().length).toBeGreaterThan(0);
  });
});

describe('stop', () => {
  it('keeps its deadline though a queue does not let go of its claim and a sink never closes', async () => {
    const queue = memoryQueue();
    const stubborn: Queue = {
      ...Object.fromEntries(
        ['ack', 'retry', 'bury', 'giveBack', 'depth'].map((name) => [name, () => Promise.resolve()]),
      ),
      name: 'stubborn',
      jobs: 'photo',
      open: (listener: QueueListener) => queue.open(listener),
      claim: () => new Promise(() => undefined),
      close: () => queue.close(),
    } as unknown as Queue;
    const sink = {
      name: 'stubborn',
      deliver: () => Promise.resolve(),
      close: () => new Promise<void>(() => undefined),
    };
    const { runner } = start({ queue: stubborn, sink });
    await runner.start();
    const startedAt = performance.now();
    await runner.stop({ deadlineMs: 2500 });
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });

  it('tells how many jobs it gave back', async () => {
    const { runner, queue } = start({
      sink: memorySink({ respond: () => Promise.reject(new RunnerError('HTTP_UNAVAILABLE', 'away')) }),
    });
    for (let i = 1; i <= 5; i++) queue.push(photoJob(i, 'camera.jpg'));
    const down = once(runner, 'callback:held');
    await runner.start();
    await down;
    const stopped = once(runner, 'runner:stopped');
    await runner.stop({ deadlineMs: 300 });
    expect(await stopped).toEqual({ unfinished: 5 });
    expect(queue.waiting()).toHaveLength(5);
  });

  it.each([Infinity, NaN, -1])('takes a deadline of %d', async (deadlineMs) => {
    const { runner } = start({});
    await runner.start();
    await runner.stop({ deadlineMs });
    expect(runner.stats().state).toBe('stopped');
  });
});

describe('options', () => {
  it.each([
    [{ roots: [] }, 'at least one folder'],
    [{ batchTimeoutMs: 3e9 }, 'batchTimeoutMs'],
    [{ decodeTimeoutMs: 4e6 }, 'decodeTimeoutMs'],
    [{ threads: 64, intraOpThreads: 64 }, 'cores'],
    [{ queue: memoryQueue({ jobs: 'chat' }) }, 'chat'],
  ])('refuses %j', (options, message) => {
    expect(() => start(options)).toThrow(message);
  });

  it('refuse a folder of photos that is not there, before any job could die of it', async () => {
    const { runner, queue } = start({ roots: ['/no/such/mount'] });
    queue.push(photoJob(1, 'camera.jpg'));
    await expect(runner.start()).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    expect(queue.waiting()).toHaveLength(1);
  });
});
