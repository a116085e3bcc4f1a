import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { queueLeft } from '../support/queue-left.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const JOBS = 2000;
const KILLS = 3;

let redis: RedisServer;
let gallery: GalleryServer;

beforeAll(async () => {
  redis = await startRedis();
  gallery = await startGalleryServer();
});
afterAll(async () => {
  await gallery.close();
  await redis.stop();
});

it(
  `${JOBS} jobs with the runner killed ${KILLS} times: every photo called back, nothing left behind, only bad ones dead`,
  { timeout: 300_000 },
  async () => {
    const client = redis.client();
    const queue = `crash_${randomUUID()}`;
    const good = ['camera.jpg', 'gray.jpg', 'small_150x100.png', 'tiny_7x5.png', 'exif_3.jpg', 'la.png'];
    const bad = readdirSync(path.join(IMAGES, 'bad')).filter((name) => name !== 'zero_bytes.jpg');
    const jobs = Array.from({ length: JOBS }, (_, index) =>
      // Every hundredth photo is a bad one.
      index % 100 === 99
        ? photoJob(index + 1, `bad/${bad[((index + 1) / 100 - 1) % bad.length] ?? ''}`)
        : photoJob(index + 1, good[index % good.length] ?? ''),
    );
    const badIds = new Set(Array.from({ length: JOBS / 100 }, (_, index) => String((index + 1) * 100)));
    await client.lpush(queue, ...jobs);

    const start = (): CommandProcess =>
      new CommandProcess(['photos'], {
        REDIS_URL: redis.url,
        REDIS_QUEUE_NAME: queue,
        API_BASE_URL: gallery.url,
        PROCESSING_INTERNAL_TOKEN: gallery.token,
        PROCESSING_EMBEDDING_DIM: '64',
        CLIP_MODELS: `tiny=${CLIP}`,
        PROJECT_ROOT: IMAGES,
      });
    const called = (): Set<string> => new Set(gallery.callbacks.map(({ id }) => id));
    const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
      while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
    };

    for (let kill = 1; kill <= KILLS; kill++) {
      const runner = start();
      const before = called().size;
      await until(() => called().size >= before + 300);
      expect(await runner.kill('SIGKILL')).toBe('SIGKILL');
    }
    const last = start();
    await until(async () => called().size === JOBS - badIds.size && (await client.llen(`${queue}_dlq`)) >= badIds.size);
    await until(async () => Object.keys(await queueLeft(client, queue)).length === 0);

    const dead = (await client.lrange(`${queue}_dlq`, 0, -1)).map(
      (entry) => JSON.parse(entry) as { photo_id: number; _runner: { reason: string } },
    );
    expect(new Set(dead.map(({ photo_id: id }) => String(id)))).toEqual(badIds);
    expect(dead.map(({ _runner }) => _runner.reason)).not.toContain('poison');
    expect([...called()].filter((id) => badIds.has(id))).toEqual([]);
    // At least once: what was in hand at a kill may come again, and no more than that.
    expect(gallery.callbacks.length).toBeLessThanOrEqual(JOBS - badIds.size + KILLS * 32);
    expect(await last.kill('SIGTERM')).toBe(0);
  },
);
