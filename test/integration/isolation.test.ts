import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createRunner,
  memoryQueue,
  memorySink,
  redisQueue,
  type MemoryQueue,
  type MemorySink,
  type Queue,
  type Runner,
  type RunnerEvents,
  type RunnerOptions,
} from '../../dist/index.js';
import deadlyClip from '../fixtures/tasks/deadly-clip.js';
import deadly from '../fixtures/tasks/deadly.js';
import forgetful from '../fixtures/tasks/forgetful.js';
import { childrenOf, isAlive } from '../support/children.js';
import { DEEDS, deeds, ids } from '../support/deeds.js';
import { CLIP, IMAGES, SIGLIP, photoJob } from '../support/fixtures.js';
import { Program } from '../support/program.js';
import { queueLeft } from '../support/queue-left.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

interface Lab {
  readonly runner: Runner;
  readonly queue: MemoryQueue;
  readonly sink: MemorySink;
  readonly children: RunnerEvents['child:started'][];
  readonly deaths: RunnerEvents['child:died'][];
  /** Ids of the jobs whose result was delivered, as often as it was. */
  delivered(): readonly string[];
}

const labs: Lab[] = [];

afterEach(async () => {
  const pids = labs.flatMap(({ children }) => children.map(({ pid }) => pid));
  await Promise.all(labs.splice(0).map(({ runner }) => runner.stop({ deadlineMs: 1000 })));
  await until('no child is left', () => !pids.some(isAlive));
});

function open(options: Partial<RunnerOptions> = {}, own?: Queue): Lab {
  const queue = memoryQueue({ jobs: DEEDS, backoffBaseMs: 10 });
  const sink = memorySink();
  const runner = createRunner({ queue: own ?? queue, sink, tasks: [deadly], isolation: 'process', ...options });
  const lab: Lab = {
    runner,
    queue,
    sink,
    children: [],
    deaths: [],
    delivered: () => sink.deliveries.map(({ jobId }) => jobId),
  };
  runner.on('child:started', (child) => lab.children.push(child));
  runner.on('child:died', (death) => lab.deaths.push(death));
  labs.push(lab);
  return lab;
}

const settled = ({ runner }: Lab): number => runner.stats().jobs.done + runner.stats().jobs.buried;
const noteOf = (entry: Buffer | string): Record<string, unknown> =>
  (JSON.parse(entry.toString()) as { _runner: Record<string, unknown> })._runner;

describe('one element that aborts the process', () => {
  it('among 500 good ones it alone is a dead letter, for poison, and all others are called back', async () => {
    const lab = open();
    lab.queue.push(...deeds(501, { 250: 'abort' }));
    const startedAt = performance.now();
    await lab.runner.start();
    await until('all are settled', () => settled(lab) === 501, 30_000);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(501, 250)));
    expect(lab.queue.dead().map(({ raw }) => (JSON.parse(raw.toString()) as { id: number }).id)).toEqual([250]);
    expect(noteOf(lab.queue.dead()[0]!.entry)).toMatchObject({
      reason: 'poison',
      kills: 3,
      attempts: 0,
      error: { code: 'JOB_POISON' },
    });
    expect(lab.deaths.map(({ signal }) => signal)).toEqual(['SIGABRT', 'SIGABRT', 'SIGABRT']);
    // It was alone when it was tried again.
    expect(lab.deaths.slice(1).map(({ items }) => items)).toEqual([1, 1]);
    expect(lab.runner.stats().children).toEqual({ restarts: 3, recycles: 0 });
  });

  it.each([
    ['segfault', 'SIGSEGV'],
    ['outOfMemory', 'SIGKILL'],
    // A thread that ends takes its process along.
    ['exit', 'SIGKILL'],
    ['throwLater', 'SIGKILL'],
  ])('%s: it alone is a dead letter for poison', async (deed, signal) => {
    const lab = open();
    lab.queue.push(...deeds(40, { 5: deed }));
    await lab.runner.start();
    await until('all are settled', () => settled(lab) === 40);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(40, 5)));
    expect(lab.queue.dead().map(({ entry }) => noteOf(entry)['reason'])).toEqual(['poison']);
    expect(lab.deaths.map((death) => death.signal)).toEqual([signal, signal, signal]);
  });

  it('an error that a task throws costs no process, and a value that can not leave it fails alone', async () => {
    const lab = open({}, undefined);
    lab.queue.push(...deeds(20, { 3: 'throw', 4: 'share' }));
    await lab.runner.start();
    await until('all are settled', () => settled(lab) === 20);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(20, 3, 4)));
    expect(lab.queue.dead().map(({ entry }) => (noteOf(entry)['error'] as { code: string }).code)).toEqual([
      'TASK_FAILED',
      'TASK_FAILED',
    ]);
    expect(lab.deaths).toEqual([]);
  });

  it('one that never ends is ended when its batch is overdue', async () => {
    const lab = open({ batchTimeoutMs: 700 });
    lab.queue.push(...deeds(40, { 5: 'loop' }));
    await lab.runner.start();
    await until('all are settled', () => settled(lab) === 40);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(40, 5)));
    expect(lab.queue.dead().map(({ entry }) => noteOf(entry)['reason'])).toEqual(['poison']);
    expect(lab.deaths[2]?.error.message).toContain('batchTimeoutMs');
  });

  it('several of them among good ones: they alone are poison', async () => {
    const lab = open();
    lab.queue.push(...deeds(60, { 1: 'abort', 2: 'segfault', 30: 'abort' }));
    await lab.runner.start();
    await until('all are settled', () => settled(lab) === 60);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(60, 1, 2, 30)));
    expect(lab.queue.dead().map(({ entry }) => noteOf(entry)['reason'])).toEqual(['poison', 'poison', 'poison']);
  });
});

describe('with Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it('a photo that aborts the process among 500 is the only dead letter, and nothing else is left behind', async () => {
    const client = redis.client();
    const name = 'isolation';
    const lab = open(
      { tasks: [deadlyClip], models: [{ label: 'tiny', name: CLIP }], roots: [IMAGES] },
      redisQueue({ url: redis.url, name }),
    );
    const good = ['camera.jpg', 'gray.jpg', 'small_150x100.png'];
    const photo = (index: number): string => (index === 300 ? 'tiny_7x5.png' : (good[index % good.length] ?? ''));
    await client.lpush(name, ...Array.from({ length: 501 }, (_, index) => photoJob(index + 1, photo(index + 1))));
    const startedAt = performance.now();
    await lab.runner.start();
    await until('the queue is empty', async () => Object.keys(await queueLeft(client, name)).length === 0, 30_000);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(501, 300)));
    const dead = await client.lrange(`${name}_dlq`, 0, -1);
    expect(dead.map((entry) => (JSON.parse(entry) as { photo_id: number }).photo_id)).toEqual([300]);
    expect(noteOf(dead[0]!)).toMatchObject({ reason: 'poison', kills: 3, attempts: 0 });
    expect(lab.runner.stats().images.decoded).toBeGreaterThanOrEqual(501);
  });
});

describe('a child that is killed from outside', () => {
  it('in the middle of a batch: every job is done, none is dead', async () => {
    const lab = open();
    lab.queue.push(...deeds(100, {}, 'sleep 10'));
    await lab.runner.start();
    const first = lab.children[0]!.pid;
    await until('some are delivered', () => lab.delivered().length >= 10);
    process.kill(first, 'SIGKILL');
    await until('all are settled', () => settled(lab) === 100);
    expect(new Set(lab.delivered())).toEqual(new Set(ids(100)));
    expect(lab.queue.dead()).toEqual([]);
    expect(lab.deaths).toMatchObject([{ pid: first, signal: 'SIGKILL', code: null, lane: 'text' }]);
    expect(lab.deaths[0]!.items).toBeGreaterThan(0);
  });

  it('while it is idle: the next one is there for the next job', async () => {
    const lab = open();
    await lab.runner.start();
    process.kill(lab.children[0]!.pid, 'SIGKILL');
    await until('there is another child', () => lab.children.length === 2);
    lab.queue.push(...deeds(1, {}));
    await until('it is done', () => settled(lab) === 1);
    expect(lab.children[1]!.reason).toBe('restart');
    expect(lab.deaths).toMatchObject([{ items: 0 }]);
  });

  it('photos and texts have a child each', async () => {
    const lab = open({ tasks: [deadly, deadlyClip], models: [{ label: 'tiny', name: CLIP }], roots: [IMAGES] });
    await lab.runner.start();
    expect(lab.children.map(({ lane }) => lane).sort()).toEqual(['image', 'text']);
    const mine = childrenOf(process.pid);
    expect(lab.children.map(({ pid }) => pid).filter((pid) => mine.includes(pid))).toHaveLength(2);
  });
});

describe('a parent that is killed', () => {
  it('takes its child along at once, though this one is inside a batch that never ends', async () => {
    const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
    const parent = new Program(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { createRunner, memoryQueue, memorySink } from ${url('../../dist/index.js')};
      import deadly from ${url('../fixtures/tasks/deadly.js')};
      const input = { kind: 'text', text: 'loop' };
      const jobs = { name: 'loop', parse: () => ({ type: 'loop', id: '1', tasks: ['deadly'], input, fields: {} }) };
      const queue = memoryQueue({ jobs });
      queue.push('{}');
      const runner = createRunner({ queue, sink: memorySink(), tasks: [deadly], isolation: 'process' });
      runner.on('child:started', ({ pid }) => console.log('child', pid));
      runner.on('batch:started', () => console.log('busy'));
      await runner.start();`,
    ]);
    const child = Number((await parent.prints(/child \d+/)).split(' ')[1]);
    await parent.prints(/busy/);
    expect(isAlive(child)).toBe(true);
    parent.child.kill('SIGKILL');
    await until('the child is gone', () => !isAlive(child), 10_000);
    await parent.end();
  });
});

describe('pixels', () => {
  it('are gone from a child as soon as all tasks of a photo say that they are done with them', async () => {
    const queue = memoryQueue();
    const sink = memorySink();
    const runner = createRunner({ queue, sink, tasks: [forgetful], isolation: 'process', roots: [IMAGES] });
    queue.push(photoJob(1, 'tiny_7x5.png', ['forgetful']));
    await runner.start();
    await until('it is delivered', () => sink.deliveries.length === 1);
    await runner.stop();
    expect(sink.deliveries[0]?.body).toEqual({ before: 7 * 5 * 3, after: 0 });
  });
});

describe('direct calls', () => {
  it('the input that kills the process has JOB_POISON, the others their values', async () => {
    const lab = open({ tasks: [deadlyClip], models: [{ label: 'tiny', name: CLIP }] });
    await lab.runner.start();
    const good = path.join(IMAGES, 'small_150x100.png');
    const bytes = await readFile(good);
    const vectors = await lab.runner.embedImages([good, path.join(IMAGES, 'tiny_7x5.png'), bytes], {
      onError: 'return',
    });
    expect(vectors[1]).toMatchObject({ code: 'JOB_POISON', reason: 'poison', kills: 3 });
    for (const vector of [vectors[0], vectors[2]]) {
      expect(vector).toEqual(new Float32Array(64).fill(150));
      // A vector of its own: no window on the bytes of a message.
      expect((vector as Float32Array).buffer.byteLength).toBe(256);
    }
  });
});

describe('a child that is recycled', () => {
  it.each([
    ['jobs', { childMaxJobs: 100 }],
    ['age', { childMaxAgeMs: 700 }],
  ])(
    'for its %s: each job is done once, and the old child works on while the new one loads',
    async (reason, limits) => {
      const lab = open(limits);
      const recycled: RunnerEvents['child:recycled'][] = [];
      const deliveredAt: number[] = [];
      const loads: { readonly from: number; readonly to: number }[] = [];
      lab.runner.on('child:recycled', (event) => recycled.push(event));
      lab.runner.on('callback:delivered', () => deliveredAt.push(performance.now()));
      lab.runner.on('child:started', ({ reason: why, loadMs }) => {
        const to = performance.now();
        if (why === 'recycle') loads.push({ from: to - loadMs, to });
      });
      const jobs = deeds(100_000, {}, 'sleep 4');
      let pushed = 0;
      await lab.runner.start();
      await until('it was done twice', () => {
        // There is always something to do, however long a child takes to load.
        if (pushed - settled(lab) < 100) lab.queue.push(...jobs.slice(pushed, (pushed += 100)));
        return recycled.length > 1;
      });
      await until('all are settled', () => settled(lab) === pushed);
      expect([...lab.delivered()].sort()).toEqual(ids(pushed).sort());
      expect(recycled.map((event) => event.reason)).toEqual(recycled.map(() => reason));
      expect(lab.runner.stats().children).toEqual({ restarts: 0, recycles: recycled.length });
      expect(lab.deaths).toEqual([]);
      for (const { from, to } of loads.slice(0, -1)) {
        expect(deliveredAt.filter((at) => at > from && at < to).length).toBeGreaterThan(0);
      }
      await until('the old ones have ended', () => recycled.every(({ pid }) => !isAlive(pid)));
    },
  );

  it('for its memory', async () => {
    // What it needs to load is no reason, however low the limit is.
    const lab = open({ maxMemoryBytes: 1, maxTextBatch: 2 });
    await lab.runner.start();
    lab.queue.push(...deeds(20, {}));
    await until('those are settled', () => settled(lab) === 20);
    expect(lab.runner.stats().children.recycles).toBe(0);
    lab.queue.push(...deeds(6, {}, 'hog 50000000'));
    await until('it is recycled', () => lab.runner.stats().children.recycles > 0);
    await until('all are settled', () => settled(lab) === 26);
    expect(lab.deaths).toEqual([]);
    expect(lab.queue.dead()).toEqual([]);
  });
});

describe('a child that can not load', () => {
  it('ends start() with the reason', async () => {
    const lab = open({ tasks: [{ ...deadly, module: 'data:text/javascript,export default {}' }] });
    await expect(lab.runner.start()).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  it('ends start() where it dies of it, and where it takes too long', async () => {
    const dying = 'export default { name: "deadly", input: "text", open: () => process.kill(process.pid, "SIGKILL") }';
    const lab = open({ tasks: [{ ...deadly, module: `data:text/javascript,${encodeURIComponent(dying)}` }] });
    await expect(lab.runner.start()).rejects.toMatchObject({ code: 'PROCESS_DIED' });
    const slow = 'export default { name: "deadly", input: "text", open: () => new Promise(() => 0) }';
    const other = open({
      tasks: [{ ...deadly, module: `data:text/javascript,${encodeURIComponent(slow)}` }],
      loadTimeoutMs: 500,
    });
    await expect(other.runner.start()).rejects.toMatchObject({ code: 'THREAD_TIMEOUT' });
  });

  it('several times in a row after a death fails the runner, and the jobs go back in their order', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-isolation-'));
    await cp(SIGLIP, folder, { recursive: true });
    const queue = memoryQueue({ jobs: DEEDS });
    const lab = open({ tasks: [deadly, 'text'], models: [{ label: 'x', name: folder }] }, queue);
    await lab.runner.start();
    await rm(folder, { recursive: true });
    const failed = new Promise<RunnerEvents['runner:failed']>((resolve) => lab.runner.on('runner:failed', resolve));
    const stopped = new Promise((resolve) => lab.runner.on('runner:stopped', resolve));
    queue.push(...deeds(40, {}, 'sleep 10'));
    process.kill(lab.children[0]!.pid, 'SIGKILL');
    expect((await failed).error.code).toMatch(/^MODEL_|^FILE_/);
    await stopped;
    const done = new Set(lab.delivered());
    const left = queue.waiting().map((raw) => String((JSON.parse(raw.toString()) as { id: number }).id));
    expect(left).toEqual(ids(40).filter((id) => !done.has(id)));
    expect(queue.dead()).toEqual([]);
  });
});

describe('stop', () => {
  it('ends in time though a batch takes longer, and gives the jobs back in their order', async () => {
    const lab = open();
    lab.queue.push(...deeds(50, { 1: 'loop' }));
    const running = new Promise((resolve) => lab.runner.on('batch:started', resolve));
    await lab.runner.start();
    await running;
    const startedAt = performance.now();
    await lab.runner.stop({ deadlineMs: 3000 });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const left = lab.queue.waiting().map((raw) => (JSON.parse(raw.toString()) as { id: number }).id);
    expect(left).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(lab.queue.dead()).toEqual([]);
  });

  it('while the child loads ends it at once', async () => {
    const slow = 'export default { name: "deadly", input: "text", open: () => new Promise(() => 0) }';
    const lab = open({ tasks: [{ ...deadly, module: `data:text/javascript,${encodeURIComponent(slow)}` }] });
    const before = childrenOf(process.pid);
    const starting = lab.runner.start();
    let pid = 0;
    await until('it has a child', () => {
      pid = childrenOf(process.pid).find((child) => !before.includes(child)) ?? 0;
      return pid !== 0;
    });
    const stopping = lab.runner.stop({ deadlineMs: 3000 });
    await expect(starting).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    await stopping;
    await until('the child has ended', () => !isAlive(pid));
  });
});
