import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { measureSide } from '../../bench/support/photo-side.js';
import { startBenchRedis } from '../../bench/support/redis.js';

const root = path.resolve(import.meta.dirname, '../..');
let server: Awaited<ReturnType<typeof startBenchRedis>>;

beforeAll(async () => {
  server = await startBenchRedis();
});
afterAll(() => server.stop());

/** Takes photos from the list and posts two callbacks for each, the second one of a photo only when it has taken the next. */
const SIDE = `
  import { Redis } from 'ioredis';
  const redis = new Redis(process.env.REDIS_URL);
  const post = (id, kind) => fetch(process.env.API_BASE_URL + '/api/internal/photos/' + id + '/' + kind,
    { method: 'POST', body: JSON.stringify({ id, kind }) });
  let last;
  for (;;) {
    const element = await redis.lmove(process.env.REDIS_QUEUE_NAME, process.env.REDIS_QUEUE_NAME + ':own', 'RIGHT', 'LEFT');
    if (element === null) process.exit(3);
    const { photo_id: id } = JSON.parse(element);
    await post(id, 'first');
    if (last !== undefined) await post(last, 'second');
    last = id;
  }`;

function measure(leftOver: number) {
  return measureSide({
    ...{ root, redisUrl: server.url, env: {}, photos: path.join(root, 'examples', 'photos'), tasks: ['a', 'b'] },
    ...{ command: [process.execPath, '--input-type=module', '-e', SIDE] },
    ...{ perPhoto: 2, warmUp: 5, count: 30, leftOver },
  });
}

it('counts a photo with its last callback, and leaves no list behind where jobs are left over', async () => {
  const { rate, callbacks } = await measure(5000);
  expect(rate).toBeGreaterThan(0);
  const seconds = callbacks.filter(({ kind }) => kind === 'second');
  // Of the first photo of each file.
  expect(seconds.map(({ id }) => id)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  const redis = new Redis(server.url);
  expect(await redis.keys('*')).toEqual([]);
  await redis.quit();
});

it('fails where a side ends before all that counts is done', async () => {
  await expect(measure(0)).rejects.toThrow('ended with 3');
});
