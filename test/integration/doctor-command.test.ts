import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunner } from '../../dist/index.js';
import { resolveRunnerOptions } from '../../src/options.js';
import { examineRedis } from '../../src/queue/redis-exam.js';
import { tuningFile, tuningSubject, writeTuning } from '../../src/tuning.js';
import { CommandProcess } from '../support/command.js';
import { documentedAcl } from '../support/documented-acl.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const MODEL = fileURLToPath(new URL('../fixtures/models/clip-tiny', import.meta.url));
const MADE = { label: 'tiny', name: MODEL, folder: MODEL, dtype: 'fp32' } as const;
const MODELS = { clipModels: [{ ...MADE, visionFile: path.join(MODEL, 'onnx', 'vision_model.onnx') }] };
const PHOTOS = fileURLToPath(new URL('../../examples/photos', import.meta.url));
const PASSWORD = 'a-password-that-nobody-may-see';

interface Finding {
  readonly area: string;
  readonly status: string;
  readonly summary: string;
  readonly remedy?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

let server: RedisServer;
let home: string;
let environment: Record<string, string>;

beforeAll(async () => {
  server = await startRedis({ config: { appendonly: 'yes', 'maxmemory-policy': 'noeviction' } });
  home = await mkdtemp(path.join(tmpdir(), 'doctor-'));
  environment = {
    ...{ REDIS_URL: server.url, HF_HOME: home, CLIP_MODELS: `tiny=${MODEL}`, PROCESSING_EMBEDDING_DIM: '0' },
    ...{ PROJECT_ROOT: PHOTOS, CLIP_DEVICE: 'cpu', FACE_ENABLED: '0', CLIP_MAX_BATCH: '2', CLIP_THREADS: '1' },
    CLIP_DECODE_CONCURRENCY: '2',
  };
});
afterAll(async () => {
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

async function doctor(env: Readonly<Record<string, string>> = {}, ...flags: readonly string[]) {
  const command = new CommandProcess(['doctor', '--json', ...flags], { ...environment, ...env }, home);
  const code = await command.ended();
  expect(command.stdout + command.stderr).not.toContain(PASSWORD);
  const { findings } = JSON.parse(command.stdout) as { readonly findings: readonly Finding[] };
  const problems = findings.filter(({ status }) => status === 'problem');
  for (const { remedy } of problems) expect(remedy).toBeTruthy();
  return { code, findings, problems, of: (area: string) => findings.filter((finding) => finding.area === area) };
}

describe('clip-runner doctor', () => {
  it('names everything that would fail at once: Redis away, no photos, a model that is not there', async () => {
    const env = {
      REDIS_URL: 'redis://127.0.0.1:1/0',
      PROJECT_ROOT: path.join(home, 'gone'),
      CLIP_MODELS: 'x=./nothing',
    };
    const { code, problems, of } = await doctor(env);
    expect(code).toBe(1);
    expect(problems.map(({ area }) => area)).toEqual(['folders', 'redis', 'models']);
    expect(of('speed')[0]?.summary).toContain('Not measured');
  });

  it('finds nothing that would fail where all is well, measures, tunes, and keeps what it has found', async () => {
    const { code, problems, of } = await doctor({}, '--tune');
    expect(problems).toEqual([]);
    expect(code).toBe(0);
    expect(of('speed')[0]?.facts?.['perSecond']).toBeGreaterThan(0);
    expect(of('models')[0]?.facts?.['rssBytes']).toBeGreaterThan(20e6);
    expect(of('devices').map(({ summary }) => summary)).toContain('Models run on cpu (asked for: cpu)');
    expect(of('tuning')[0]?.summary).toMatch(/^batch 2, 1 thread x .* is the best here/);
    expect(JSON.parse(await readFile(tuningFile(path.join(home, 'hub')), 'utf8'))).toBeTruthy();
  });

  it('reports all else where no photos can be made', async () => {
    const { code, problems, of } = await doctor({ TMPDIR: path.join(home, 'nowhere') });
    expect(code).toBe(1);
    expect(problems).toMatchObject([{ area: 'speed', remedy: expect.stringContaining('TMPDIR') as string }]);
    for (const area of ['folders', 'threads', 'redis', 'models', 'devices', 'tuning'])
      expect(of(area), area).not.toEqual([]);
  });

  it('says why models do not run on the device that is asked for', async () => {
    // No photos: nothing is measured, which would take its time.
    const { of } = await doctor({ CLIP_DEVICE: 'cuda', TMPDIR: path.join(home, 'nowhere') });
    const [use] = of('devices').filter(({ facts }) => facts?.['used'] !== undefined);
    expect(use?.summary).toMatch(/^CLIP_DEVICE=cuda, but models run on cpu: cuda: ./);
    expect(use?.facts?.['refusals']).toEqual([expect.stringMatching(/^cuda: ./)]);
  });

  it('goes by a kept tuning as photos would', async () => {
    const cacheDir = path.join(home, 'hub');
    const subject = await tuningSubject(MODELS, { tasks: ['clip'], settings: ['fp32', 'cpu', 'fast'] });
    const tuning = { maxBatch: 3, threads: 1, intraOpThreads: 1, decodeConcurrency: 2 };
    const entry = { facts: subject.facts, tuning, perSecond: 2, untunedPerSecond: 1, at: new Date().toISOString() };
    await writeTuning(cacheDir, subject, entry);
    const { of } = await doctor({ CLIP_MAX_BATCH: '', CLIP_THREADS: '', CLIP_DECODE_CONCURRENCY: '' });
    expect(of('tuning')[0]?.summary).toMatch(/^batch 3, /);
    expect(of('threads')[0]?.summary).toMatch(/: 1 thread x 1 cores per model, 2 decodings each, batches of 3$/);
  });

  it('ends at a signal, or at once at the second, and leaves no made photos behind', async () => {
    const temporary = await mkdtemp(path.join(home, 'tmp-'));
    const made = async (): Promise<readonly string[]> =>
      (await readdir(temporary)).filter((name) => name.startsWith('clip-runner-'));
    const command = new CommandProcess(['doctor'], { ...environment, TMPDIR: temporary }, home);
    await until('photos are made', async () => (await made()).length > 0);
    command.child.kill('SIGINT');
    await sleep(50);
    expect(await command.kill('SIGINT')).toBe(1);
    expect(await made()).toEqual([]);
  });
});

it('a runner takes what was found for its host, models and tasks, unless it is given, off or stale', async () => {
  const { maxBatch: untuned } = resolveRunnerOptions({ device: 'cpu' });
  const cacheDir = path.join(home, 'hub');
  const subject = await tuningSubject(MODELS, { tasks: ['clip'], settings: ['fp32', 'cpu', 'fast'] });
  const tuning = { maxBatch: 3, threads: 1, intraOpThreads: 1, decodeConcurrency: 1 };
  const entry = { facts: subject.facts, tuning, perSecond: 2, untunedPerSecond: 1, at: new Date().toISOString() };
  await writeTuning(cacheDir, subject, entry);
  expect(await batchOf({})).toBe(3);
  expect(await batchOf({ maxBatch: 5 })).toBe(5);
  expect(await batchOf({ tuning: 'off' })).toBe(untuned);
  await writeTuning(cacheDir, subject, { ...entry, facts: { ...subject.facts, version: '0.0.0' } });
  expect(await batchOf({})).toBe(untuned);
});

/** The size of batches that a runner goes by. */
async function batchOf(options: { readonly maxBatch?: number; readonly tuning?: 'off' }): Promise<number> {
  const hub = { cacheDir: path.join(home, 'hub') };
  const runner = createRunner({ models: `tiny=${MODEL}`, device: 'cpu', hub, ...options });
  const ready = new Promise<number>((resolve) => runner.on('runner:ready', ({ maxBatch }) => resolve(maxBatch)));
  await runner.start();
  await runner.stop();
  return ready;
}

describe('examineRedis', () => {
  const names = { user: 'runner', password: PASSWORD, queue: 'photo_tasks', deadLetters: 'photo_tasks_dlq' };
  const url = (): string => `redis://runner:${PASSWORD}@127.0.0.1:${server.port}/0`;
  const exam = () => examineRedis({ url: url(), jobs: 'photo', name: 'photo_tasks' });

  it('has nothing against a user with the documented rights', async () => {
    await server.client().call('ACL', ...documentedAcl(names));
    expect(await exam()).toMatchObject({ missingRights: [], evictionPolicy: 'noeviction', persistence: 'aof' });
  });

  it('names each right that is missing, on which list, and changes nothing', async () => {
    const client = server.client();
    await client.call('ACL', ...documentedAcl(names), '-zadd', '-blmove');
    await client.set('witness', '1');
    expect((await exam()).missingRights).toEqual(['blmove on the queue', 'zadd']);
    expect(await client.keys('*')).toEqual(['witness']);
    await client.call('ACL', ...documentedAcl({ ...names, deadLetters: 'another' }));
    expect((await exam()).missingRights).toEqual([
      'lpush on the dead letters',
      'lpos on the dead letters',
      'llen on the dead letters',
    ]);
  });

  it('goes on without the rights to ask', async () => {
    await server.client().call('ACL', ...documentedAcl(names), '-info', '-eval');
    const found = await exam();
    expect(found.missingRights).toEqual(['eval']);
    expect(found.version).toBeUndefined();
  });

  it('tells an eviction policy that may drop the queue', async () => {
    const client = server.client();
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect((await examineRedis({ url: server.url, jobs: 'photo', name: 'q' })).evictionPolicy).toBe('allkeys-lru');
    await client.config('SET', 'maxmemory-policy', 'noeviction');
  });
});
