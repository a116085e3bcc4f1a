import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { CLIP, cosine, goldenEmbedding, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { queueLeft } from '../support/queue-left.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { startScriptedServer } from '../support/scripted-server.js';

const TOKEN = 'a-token-that-nobody-may-see-4711';

let redis: RedisServer;
let client: Redis;
let gallery: GalleryServer;
let queue: string;
const started: CommandProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = redis.client();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  queue = `photos_${randomUUID()}`;
  gallery = await startGalleryServer({ token: TOKEN });
});
afterEach(async () => {
  const output = started.map(({ stdout, stderr }) => stdout + stderr).join('');
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await gallery.close();
  expect(output).not.toContain(TOKEN);
});

function photos(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): CommandProcess {
  const command = new CommandProcess(['photos', ...args], {
    REDIS_URL: redis.url,
    REDIS_QUEUE_NAME: queue,
    API_BASE_URL: gallery.url,
    PROCESSING_INTERNAL_TOKEN: TOKEN,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `tiny=${CLIP}`,
    PROJECT_ROOT: IMAGES,
    LOG_LEVEL: 'debug',
    ...env,
  });
  started.push(command);
  return command;
}

const push = (...jobs: string[]): Promise<number> => client.lpush(queue, ...jobs);

/** Everything that the runner keeps in Redis for a queue, apart from the dead letters. */
const leftovers = (): Promise<Record<string, number>> => queueLeft(client, queue);

async function deadLetters(): Promise<{ photo_id: number; _runner: { reason: string; attempts: number } }[]> {
  return (await client.lrange(`${queue}_dlq`, 0, -1)).map((entry) => JSON.parse(entry) as never);
}

async function until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const giveUpAt = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('clip-runner photos', () => {
  it('claims jobs from Redis and posts each embedding with the token and the body of the contract', async () => {
    await push(photoJob(1, 'chelsea.jpg', ['thumbnail', 'clip', 'face']), photoJob('2', './exif_8.jpg'));
    photos();
    await until(() => gallery.callbacks.length === 2);
    const [callback] = gallery.callbacksFor(1);
    expect({ ...callback?.body, embedding: 0 }).toEqual({
      model: 'tiny',
      modality: 'image',
      embedding: 0,
      ml_result: { source: 'clip_runner', model_name: CLIP, device: 'cpu' },
      processing_status: 'done',
    });
    for (const [id, file] of [
      [1, 'chelsea.jpg'],
      [2, 'exif_8.jpg'],
    ] as const) {
      const embedding = gallery.callbacksFor(id)[0]?.body['embedding'] as number[];
      expect(cosine(embedding, goldenEmbedding('clip-tiny', file))).toBeGreaterThan(0.9999);
    }
    await until(async () => Object.keys(await leftovers()).length === 0);
    expect(await deadLetters()).toEqual([]);
  });

  it('stops with SIGTERM under load: exit 0 within 8 s, unfinished jobs back in their order', async () => {
    const total = 400;
    await push(...Array.from({ length: total }, (_, index) => photoJob(index + 1, 'camera.jpg')));
    const command = photos();
    await until(() => gallery.callbacks.length > 20);
    const startedAt = performance.now();
    expect(await command.kill('SIGTERM')).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(8000);
    const left = (await client.lrange(queue, 0, -1))
      .map((raw) => (JSON.parse(raw) as { photo_id: number }).photo_id)
      .reverse();
    const done = gallery.callbacks.map(({ id }) => Number(id));
    expect(left.length).toBeGreaterThan(0);
    expect(left).toEqual([...left].sort((a, b) => a - b));
    expect([...new Set([...done, ...left])]).toHaveLength(total);
    expect(Object.keys(await leftovers())).toEqual([queue]);
    expect(await client.keys(`runner:{${queue}}:hb:*`)).toEqual([]);
  });

  it('hurries at a second signal while the server is away', async () => {
    gallery.script = { status: 503 };
    await push(photoJob(1, 'camera.jpg'));
    const command = photos({ SHUTDOWN_TIMEOUT_MS: '60000' });
    await command.logged('the server is down');
    command.child.kill('SIGINT');
    await command.logged('a second signal hurries');
    expect(await command.kill('SIGINT')).toBe(0);
    expect(await leftovers()).toEqual({ [queue]: 1 });
  });

  it('waits out a server that is down without spending attempts, then delivers everything', async () => {
    let isDown = true;
    gallery.script = () => (isDown ? { status: 503 } : { status: 200 });
    await push(...Array.from({ length: 12 }, (_, index) => photoJob(index + 1, 'camera.jpg')));
    const command = photos();
    await command.logged('the server is down');
    await until(() => gallery.requests.length > 9);
    isDown = false;
    await command.logged('the server is up again');
    await until(async () => Object.keys(await leftovers()).length === 0);
    expect(await deadLetters()).toEqual([]);
    expect(command.log.filter(({ msg }) => msg.startsWith('will be tried again'))).toEqual([]);
  });

  it('tries a 500 again after a back-off, counts the attempt, and takes the 200 that follows', async () => {
    const answers = [500, 503, 200];
    gallery.script = (_request, index) => ({ status: answers[index] ?? 200 });
    await push(photoJob(1, 'camera.jpg'));
    const command = photos();
    await until(() => command.log.some(({ msg }) => msg === 'done'));
    expect(gallery.requests).toHaveLength(3);
    const retries = command.log.filter(({ msg }) => msg.startsWith('will be tried again'));
    expect(retries).toMatchObject([{ attempts: 1, code: 'HTTP_SERVER_ERROR' }]);
    expect(retries[0]?.['delayMs']).toBeGreaterThanOrEqual(1000);
    expect(retries[0]?.['delayMs']).toBeLessThanOrEqual(2000);
    expect(await client.hlen(`runner:{${queue}}:tries`)).toBe(0);
  });

  it('makes a dead letter of a job that the server refuses, at once', async () => {
    gallery.script = { status: 400 };
    await push(photoJob(1, 'camera.jpg'));
    photos();
    await until(async () => (await deadLetters()).length === 1);
    expect(await deadLetters()).toMatchObject([{ photo_id: 1, tasks: ['clip'], _runner: { reason: 'http_400' } }]);
    expect(gallery.requests).toHaveLength(1);
  });

  it('never follows a redirect, and never shows the token to another host', async () => {
    const stranger = await startScriptedServer({ script: { status: 200 } });
    gallery.script = { status: 307, headers: { location: `${stranger.url}/api` } };
    await push(photoJob(1, 'camera.jpg'));
    const command = photos({ MAX_ATTEMPTS: '2' });
    await until(async () => (await deadLetters()).length === 1);
    expect(stranger.requests).toEqual([]);
    expect(gallery.requests).toHaveLength(2);
    expect(await deadLetters()).toMatchObject([
      { _runner: { reason: 'exhausted', attempts: 2, error: { code: 'HTTP_REDIRECT' } } },
    ]);
    expect(command.child.exitCode).toBeNull();
    await stranger.close();
  });

  it('waits for Redis to come back', async () => {
    const own = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    try {
      const command = photos({ REDIS_URL: own.url });
      await command.logged('ready');
      await own.kill();
      await command.logged('Redis is down');
      await own.start();
      await own.client().lpush(queue, photoJob(5, 'gray.jpg'));
      await until(() => gallery.callbacksFor(5).length === 1);
      expect(await command.kill('SIGTERM')).toBe(0);
    } finally {
      await own.stop();
    }
  });

  it('logs one JSON line per entry, without paths', async () => {
    await push(photoJob(1, 'chelsea.jpg'), photoJob(2, 'bad/text.jpg'));
    const command = photos();
    await until(async () => (await deadLetters()).length === 1);
    await command.kill('SIGTERM');
    for (const line of command.stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    expect(command.stderr).not.toContain('chelsea.jpg');
    expect(command.stdout).toBe('');
  });
});

describe('usage', () => {
  it.each([
    [
      'a number that is none',
      { CLIP_MAX_BATCH: 'many' },
      'CLIP_MAX_BATCH must be a whole number of at least 1, but got "many"',
    ],
    ['an unknown device', { CLIP_DEVICE: 'tpu' }, 'CLIP_DEVICE must be one of auto, cpu'],
    ['a model that is not there', { CLIP_MODELS: 'a=./no/such/folder' }, 'no/such/folder'],
    ['a model of another length than the server takes', { PROCESSING_EMBEDDING_DIM: '768' }, 'vectors of 64 numbers'],
    ['a server address that is none', { API_BASE_URL: 'ftp://x' }, 'http'],
    ['a device that must be there', { CLIP_DEVICE: 'cuda', CLIP_STRICT_DEVICE: '1' }, 'cuda'],
  ])('exits with 2 and one line for %s', async (_, env, message) => {
    const command = photos(env);
    expect(await command.ended()).toBe(2);
    const said = command.stderr.split('\n').filter((line) => line.startsWith('clip-runner:'));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(message);
  });

  it('exits with 2 for an unknown flag, and lets flags override variables', async () => {
    expect(await photos({}, ['--colour', 'red']).ended()).toBe(2);
    const command = photos({ CLIP_MAX_BATCH: 'many' }, ['--batch', '3']);
    await command.logged('ready');
    expect(command.log.find(({ msg }) => msg === 'model ready')).toMatchObject({
      maxBatch: 3,
      device: 'cpu',
      label: 'tiny',
    });
  });

  it('shows help and version on stdout with exit 0', async () => {
    const help = new CommandProcess(['photos', '--help'], {});
    expect(await help.ended()).toBe(0);
    expect(help.stdout.replace(/\s+/g, ' ')).toContain('REDIS_QUEUE_NAME, default photo_tasks');
    const version = new CommandProcess(['--version'], {});
    expect(await version.ended()).toBe(0);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
