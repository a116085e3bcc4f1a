import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { SIGLIP } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { queueLeft } from '../support/queue-left.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { writeTextModel } from '../support/text-model.js';
import { until } from '../support/until.js';

const JOBS = 1000;
const KILLS = 2;

let redis: RedisServer;
let client: Redis;
let gallery: GalleryServer;
let root: string;
let textOnly: string;
let queue: string;
const started: CommandProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = redis.client();
  gallery = await startGalleryServer();
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-texts-crash-'));
  textOnly = await writeTextModel(path.join(root, 'causal'));
  // No vision side is read, so it need not be there.
  for (const file of ['onnx/vision_model.onnx', 'preprocessor_config.json']) await rm(path.join(textOnly, file));
});
afterEach(() => Promise.all(started.splice(0).map((command) => command.kill('SIGKILL'))));
afterAll(async () => {
  await gallery.close();
  await redis.stop();
  await rm(root, { recursive: true, force: true });
});

function texts(env: Readonly<Record<string, string>> = {}): CommandProcess {
  const command = new CommandProcess(['texts'], {
    REDIS_URL: redis.url,
    TEXT_EMBED_QUEUE_NAME: queue,
    API_BASE_URL: gallery.url,
    PROCESSING_INTERNAL_TOKEN: gallery.token,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `siglip=${SIGLIP},causal=${textOnly}`,
    ...env,
  });
  started.push(command);
  return command;
}

/** Every tenth task is one of these, and becomes a dead letter. */
const BAD: readonly ((id: number) => string)[] = [
  (id) => JSON.stringify({ type: 'text_embed', request_id: id, query: ' \n' }),
  (id) => JSON.stringify({ type: 'text_embed', request_id: id, query: 'a cat', model: '../causal' }),
  (id) => JSON.stringify({ type: 'text_embed', request_id: id, query: ['a cat'] }),
  (id) => JSON.stringify({ photo_id: id, user_id: 1, path: 'gray.jpg', tasks: ['clip'], request_id: id }),
];

/** Short and long ones, with and without a model, in several scripts. */
function task(id: number): string {
  if (id % 10 === 0) return BAD[(id / 10) % BAD.length]!(id);
  const words = ['a cat on the beach', '海边的猫', 'two dogs in the snow '.repeat(id % 7 === 0 ? 200 : 1), '🐈 قطة'];
  const models = [{}, { model: null }, { model: 'siglip' }, { model: 'causal', limit: -1 }];
  const fields = { query: `${words[id % words.length]} ${id}`, ...models[(id >> 2) % models.length] };
  return JSON.stringify({ type: 'text_embed', request_id: id % 2 === 0 ? String(id) : id, ...fields });
}

async function countLeft(): Promise<number> {
  return Object.values(await queueLeft(client, queue)).reduce((sum, size) => sum + size, 0);
}

it(
  `${JOBS} mixed tasks with the runner killed ${KILLS} times: every request answered, none lost`,
  { timeout: 300_000 },
  async () => {
    queue = `texts_${randomUUID()}`;
    const ids = Array.from({ length: JOBS }, (_, index) => index + 1);
    const good = ids.filter((id) => id % 10 !== 0).map(String);
    await client.lpush(queue, ...ids.map(task));
    const answered = (): Set<string> => new Set(gallery.callbacks.map(({ id }) => id));

    for (let kill = 1; kill <= KILLS; kill++) {
      const runner = texts();
      const before = answered().size;
      await until('enough is answered', () => answered().size >= before + 200, 100_000);
      expect(await runner.kill('SIGKILL')).toBe('SIGKILL');
      expect(await countLeft()).toBeGreaterThan(0);
      // Its time runs out, as it does by itself for the photos of the crash test.
      const beats = await client.keys(`runner:{${queue}}:hb:*`);
      expect(beats).toHaveLength(1);
      await client.del(...beats);
    }
    const last = texts();
    await until('nothing is left', async () => (await countLeft()) === 0, 150_000);

    expect([...answered()].sort()).toEqual([...good].sort());
    const dead = (await client.lrange(`${queue}_dlq`, 0, -1)).map(
      (entry) => JSON.parse(entry) as { request_id: number; _runner: { reason: string } },
    );
    expect(dead.map((entry) => entry.request_id).sort((a, b) => a - b)).toEqual(ids.filter((id) => id % 10 === 0));
    expect(new Set(dead.map(({ _runner }) => _runner.reason))).toEqual(new Set(['invalid']));
    for (const { kind, id, body } of gallery.callbacks) {
      const { model = null } = JSON.parse(task(Number(id))) as { model?: string | null };
      expect([kind, body['model']], id).toEqual(['text_query', model ?? 'siglip']);
      expect((body['embedding'] as number[]).length).toBe(64);
    }
    // At least once: what was in hand at a kill may come again, and no more than that.
    expect(gallery.callbacks.length).toBeLessThanOrEqual(good.length + KILLS * 32);
    expect(await last.kill('SIGTERM')).toBe(0);
  },
);

it('a task that names no model gets the one with the label PROCESSING_DEFAULT_MODEL, wherever it stands', async () => {
  queue = `texts_${randomUUID()}`;
  const ids = ['5001', '5002', '5003'];
  const [none, empty, other] = [{}, { model: null }, { model: 'siglip' }];
  const tasks = [none, empty, other].map((model, index) => ({ request_id: ids[index], query: 'a dog', ...model }));
  await client.lpush(queue, ...tasks.map((fields) => JSON.stringify({ type: 'text_embed', ...fields })));
  const runner = texts({ PROCESSING_DEFAULT_MODEL: 'causal' });
  const own = (): GalleryServer['callbacks'] => gallery.callbacks.filter(({ id }) => ids.includes(id));
  await until('all are answered', () => own().length === 3);
  const modelOf = new Map(own().map(({ id, body }) => [id, body['model']]));
  expect(ids.map((id) => modelOf.get(id))).toEqual(['causal', 'causal', 'siglip']);
  const vectorOf = new Map(own().map(({ id, body }) => [id, JSON.stringify(body['embedding'])]));
  expect(vectorOf.get('5001')).toBe(vectorOf.get('5002'));
  expect(vectorOf.get('5001')).not.toBe(vectorOf.get('5003'));
  expect(await runner.kill('SIGTERM')).toBe(0);
});

it('warns where no token is sent with the callbacks', async () => {
  queue = `texts_${randomUUID()}`;
  const runner = texts({ PROCESSING_INTERNAL_TOKEN: '' });
  await runner.logged('ready');
  const warnings = runner.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
  expect(warnings).toEqual([
    'PROCESSING_INTERNAL_TOKEN is empty: the server will refuse the callbacks unless it has none either',
  ]);
  expect(await runner.kill('SIGTERM')).toBe(0);
});
