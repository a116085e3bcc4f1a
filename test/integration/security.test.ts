import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { inspect } from 'node:util';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, httpSink, memoryQueue, redisQueue } from '../../dist/index.js';
import tell from '../fixtures/tasks/tell-worker-data.js';
import { CommandProcess } from '../support/command.js';
import { EmbedService } from '../support/embed-service.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { inMemory, inRedis, runJobs, type JobCase } from '../support/job-fates.js';
import { startGalleryServer } from '../support/gallery-server.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { startScriptedServer } from '../support/scripted-server.js';
import { until } from '../support/until.js';

/** The security list, see test/support/bad-inputs.ts; what stands with its subject is in other files. */

const TOKEN = 'gallery-token-4711';
const PASSWORD = 'redis-password-4712';
const EMBED_TOKEN = 'embed-token-4713';
const SECRETS = [TOKEN, PASSWORD, EMBED_TOKEN];
const models = [{ label: 'tiny', name: CLIP }];

let redis: RedisServer;
let client: Redis;
let url: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = redis.client();
  url = `redis://runner:${PASSWORD}@127.0.0.1:${redis.port}/0`;
  await client.call('ACL', 'SETUSER', 'runner', 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
});
afterAll(() => redis.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Everything in Redis, keys and values of every kind. */
async function everythingInRedis(): Promise<string> {
  const found: unknown[] = [];
  for (const key of await client.keys('*')) {
    const kind = await client.type(key);
    if (kind === 'string') found.push(key, await client.get(key));
    if (kind === 'list') found.push(key, await client.lrange(key, 0, -1));
    if (kind === 'hash') found.push(key, await client.hgetall(key));
    if (kind === 'set') found.push(key, await client.smembers(key));
    if (kind === 'zset') found.push(key, await client.zrange(key, '0', '-1'));
  }
  return JSON.stringify(found);
}

describe('secrets', () => {
  it('security 1: no token and no password comes out of a run with every kind of failure', async () => {
    const gallery = await startGalleryServer({
      token: TOKEN,
      gone: ['3'],
      respond: ({ path, headers, body }) => {
        const echo = JSON.stringify({ headers, body });
        if (path.includes('/4/')) return { status: 400, headers: { 'x-echo': TOKEN }, body: echo };
        if (path.includes('/5/')) return { status: 500, body: echo };
        if (path.includes('/6/')) return { status: 307, headers: { location: `http://127.0.0.1:9/?${TOKEN}` } };
        if (path.includes('/7/')) return { raw: `SSH-2.0 ${TOKEN}\r\n`, then: 'end' };
        return undefined;
      },
    });
    cleanups.push(() => gallery.close());
    const queue = `photos_${randomUUID()}`;
    await client.lpush(
      queue,
      ...['camera.jpg', 'bad/truncated.jpg', 'camera.jpg', 'camera.jpg', 'camera.jpg', 'camera.jpg', 'camera.jpg'].map(
        (file, index) => photoJob(index + 1, file),
      ),
      photoJob(8, '../../etc/passwd'),
      photoJob(9, 'no-such.jpg'),
      'no JSON',
      'x'.repeat(100_000),
    );
    const command = new CommandProcess(['photos'], {
      REDIS_URL: url,
      REDIS_QUEUE_NAME: queue,
      API_BASE_URL: gallery.url,
      PROCESSING_INTERNAL_TOKEN: TOKEN,
      PROCESSING_EMBEDDING_DIM: '64',
      CLIP_MODELS: `tiny=${CLIP}`,
      PROJECT_ROOT: IMAGES,
      LOG_LEVEL: 'trace',
      MAX_ATTEMPTS: '2',
    });
    cleanups.push(() => command.kill('SIGKILL'));
    await until(
      'all but the good one are dead letters',
      async () => (await client.llen(`${queue}_dlq`)) === 10,
      40_000,
    );
    const shown = readFileSync(`/proc/${command.child.pid}/cmdline`, 'latin1');
    const kept = await everythingInRedis();
    // Redis goes away and comes back: errors of connections are told, too.
    await client.call('CLIENT', 'KILL', 'USER', 'runner');
    await client.call('ACL', 'SETUSER', 'runner', 'resetpass', '>another');
    await command.logged('Redis is down');
    expect(await command.kill('SIGTERM')).toBe(0);
    await client.call('ACL', 'SETUSER', 'runner', 'resetpass', `>${PASSWORD}`);
    const output = [command.stdout, command.stderr, shown, kept];
    expect(kept).toContain('http_400');
    expect(command.stderr).toContain('dead letter');
    for (const text of output) for (const secret of SECRETS) expect(text).not.toContain(secret);
  });

  it('security 1: a token does not come out of the objects that hold it', () => {
    const sink = httpSink({ baseUrl: 'http://127.0.0.1:9', token: TOKEN });
    const queue = redisQueue({ url });
    const runner = createRunner({ queue, sink, models, roots: [IMAGES] });
    for (const held of [sink, queue, runner]) {
      const shown = inspect(held, { depth: Infinity, showHidden: true }) + JSON.stringify(held);
      for (const secret of SECRETS) expect(shown).not.toContain(secret);
    }
  });

  it.each(['a\r\nx-evil: 1', 'a\nb', 'gehöim', 'a\0b'])(
    'security 1: the token %j is refused, and not shown',
    (token) => {
      expect(() => httpSink({ token })).toThrow('it is not shown here');
      expect(() => httpSink({ token })).not.toThrow(token);
    },
  );

  it('security 6: worker threads are given neither tokens nor addresses', async () => {
    const queue = memoryQueue();
    const gallery = await startGalleryServer({ token: TOKEN });
    cleanups.push(() => gallery.close());
    const sink = httpSink({ baseUrl: gallery.url, token: TOKEN });
    const runner = createRunner({ queue, sink, tasks: [tell], roots: [IMAGES], device: 'cpu' });
    cleanups.push(() => runner.stop());
    queue.push(photoJob(1, 'tiny_7x5.png', ['tell']));
    await runner.start();
    await until('it has told', () => gallery.callbacks.length === 1);
    const given = String(gallery.callbacks[0]?.body['given']);
    expect(given).toContain(IMAGES);
    expect(given).not.toContain(TOKEN);
    expect(given).not.toContain(gallery.url);
  });
});

describe('the embed service', () => {
  let service: EmbedService;
  beforeAll(async () => {
    service = await new EmbedService().ready();
  });
  afterAll(() => service.command.kill('SIGKILL'));

  const askAs = (host: string, path = '/embed_text', type = 'application/json'): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { host, 'content-type': type };
      const asked = request(service.url + path, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', reject);
      asked.end('{"text":"a"}');
    });

  it('security 2: does not answer a page whose name was made to resolve to this machine', async () => {
    for (const path of ['/embed_text', '/embed_texts', '/metrics', '/docs/', '/'])
      expect(await askAs('evil.example:8001', path)).toBe(421);
    for (const host of ['localhost:8001', '127.0.0.1:8001', '[::1]:8001', 'clip']) expect(await askAs(host)).toBe(200);
  });

  it('security 2: takes no body that a page may send to another site without asking', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      expect(await askAs('localhost', '/embed_text', type)).toBe(415);
  });

  it('security 2: answers to any name where a token protects it, and compares tokens of any length', async () => {
    const guarded = await new EmbedService({ EMBED_TOKEN }).ready();
    cleanups.push(() => guarded.command.kill('SIGKILL'));
    const statusWith = async (token: string): Promise<number> =>
      (await guarded.post('/embed_text', { text: 'a' }, { authorization: `Bearer ${token}` })).status;
    expect(await statusWith(EMBED_TOKEN)).toBe(200);
    for (const wrong of ['', 'x', EMBED_TOKEN.slice(0, -1), `${EMBED_TOKEN}x`, 'y'.repeat(4000)])
      expect(await statusWith(wrong)).toBe(401);
    const answers = await Promise.all(['/metrics', '/openapi.json', '/docs/'].map((path) => guarded.get(path)));
    expect(JSON.stringify(answers) + guarded.command.stderr + guarded.command.stdout).not.toContain(EMBED_TOKEN);
  });

  it('security 2: compares digests, which are of one length, in constant time', () => {
    const source = readFileSync(new URL('../../src/serve/token.ts', import.meta.url), 'utf8');
    expect(source).toContain('timingSafeEqual(digest(');
    expect(source).toContain("createHash('sha256')");
    expect(source).not.toMatch(/[!=]==? *(?:token|expected)\b|(?:token|expected) *[!=]==/);
  });

  it('security 14: listens on this machine only, and its metrics hold no secret', async () => {
    expect(new URL(service.url).hostname).toBe('127.0.0.1');
    const { body } = await service.get('/metrics');
    expect(body['text']).not.toContain(CLIP);
  });
});

describe('the network', () => {
  it('security 3: a path that is a URL is not fetched, and ids reach the URL as digits only', async () => {
    const stranger = await startScriptedServer();
    cleanups.push(() => stranger.close());
    const bad = {
      http: `${stranger.url}/a.jpg`,
      upper: `HTTP://127.0.0.1:${stranger.port}/a.jpg`,
      network: `//127.0.0.1:${stranger.port}/a.jpg`,
    };
    const cases: Record<string, JobCase> = Object.fromEntries(
      Object.entries(bad).map(([name, path], index) => [
        name,
        { id: String(index + 1), element: Buffer.from(photoJob(index + 1, path)) },
      ]),
    );
    const climbing = {
      id: '0',
      element: Buffer.from(photoJob(`1/../../../@127.0.0.1:${stranger.port}`, 'camera.jpg')),
    };
    const fates = await runJobs({
      cases: { ...cases, climbing },
      mates: [{ id: '9', element: Buffer.from(photoJob(9, 'camera.jpg')) }],
      queue: inMemory(),
      runner: { models, roots: [IMAGES] },
    });
    expect(Object.keys(bad).map((name) => fates.of(name))).toEqual(['P path', 'P path', 'P path']);
    expect(fates.of('climbing')).toBe('P invalid');
    expect(fates.lostMates).toEqual([]);
    expect(stranger.connections).toBe(0);
  });

  it.each(['http://user:secret@gallery/', 'ftp://gallery/', 'file:///etc/passwd', 'http://gallery/?token=secret'])(
    'security 3: %s is refused as the server’s address, and not shown',
    (baseUrl) => {
      expect(() => httpSink({ baseUrl })).toThrow('API_BASE_URL');
      expect(() => httpSink({ baseUrl })).not.toThrow(/secret|passwd/);
    },
  );
});

it('security 11: a Redis user who may touch the queue’s own keys alone is enough for jobs of every end', async () => {
  const name = `photos_${randomUUID()}`;
  const keys = [`~${name}`, `~${name}_dlq`, `~runner:{${name}}:*`];
  await client.call(
    'ACL',
    'SETUSER',
    'narrow',
    'on',
    '>pw',
    'resetkeys',
    ...keys,
    'resetchannels',
    '+@all',
    '-@dangerous',
    '+info',
  );
  const job = (id: string, file: string): JobCase => ({ id, element: Buffer.from(photoJob(id, file)) });
  const fates = await runJobs({
    cases: { bad: job('1', 'bad/truncated.jpg'), gone: job('2', 'gone.jpg') },
    mates: [job('9', 'camera.jpg')],
    queue: inRedis(client, { url: `redis://narrow:pw@127.0.0.1:${redis.port}/0`, name }),
    runner: { models, roots: [IMAGES] },
  });
  expect([fates.of('bad').slice(-6), fates.of('gone')]).toEqual(['decode', 'R2 not_found']);
  expect(fates.lostMates).toEqual([]);
});

it('security 15: an element above 64 KiB is not parsed unless the runner was told to', async () => {
  const element = (bytes: number): Buffer => Buffer.from(photoJob(1, 'x'.repeat(bytes - photoJob(1, '').length)));
  const fates = await runJobs({
    cases: { large: { id: '1', element: element(65_537) }, fits: { id: '1', element: element(65_536) } },
    mates: [{ id: '9', element: Buffer.from(photoJob(9, 'camera.jpg')) }],
    queue: inMemory({ maxElementBytes: 1e6 }),
    runner: { models, roots: [IMAGES] },
  });
  expect(fates.of('large')).toBe('P too_large');
  expect(fates.of('fits')).toBe('P path');
});
