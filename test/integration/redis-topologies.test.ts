import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';

import { CommandProcess } from '../support/command.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer } from '../support/gallery-server.js';
import { queueLeft } from '../support/queue-left.js';
import { TOPOLOGIES } from '../support/redis-topologies.js';
import { until } from '../support/until.js';

const GOOD = ['chelsea.jpg', 'exif_6.jpg', 'rgba.png', 'gravel.webp', 'cmyk.jpg', 'anim.gif', 'one_1x1.png'];
const BAD = {
  'bad/truncated.jpg': 'decode',
  'bad/garbage.heic': 'unsupported',
  'bad/bomb_60000x60000.png': 'too_large',
  'bad/zero_bytes.jpg': 'empty',
  '../../../etc/passwd': 'path',
  'no-such.jpg': 'not_found',
};
const TOTAL = 300;
const NO_JOB = 'no job at all';

/** What may be left when the last runner has gone: gates that run out by themselves, and the digests of sent letters. */
const ALLOWED = ['dlqlock', 'dlqsent', 'reaplock', 'sweeplock'];

interface DeadLetter {
  readonly photo_id?: number;
  readonly _runner: { readonly id: string; readonly reason: string };
}

/** Every tenth job is a bad one; the last element is none. */
function makeJobs(): { readonly elements: string[]; readonly reasons: ReadonlyMap<number, string>; good: number[] } {
  const bad = Object.entries(BAD);
  const reasons = new Map<number, string>();
  const good: number[] = [];
  const elements = Array.from({ length: TOTAL }, (_, index) => {
    const id = index + 1;
    const [path, reason] = bad[(id / 10) % bad.length] ?? [];
    if (path === undefined || reason === undefined) {
      good.push(id);
      return photoJob(id, GOOD[id % GOOD.length] ?? '');
    }
    reasons.set(id, reason);
    return photoJob(id, path);
  });
  return { elements: [...elements, NO_JOB], reasons, good };
}

async function keysOf(client: Redis, queue: string): Promise<string[]> {
  const keys = (await client.eval("return redis.call('keys', 'runner:{' .. KEYS[1] .. '}:*')", 1, queue)) as string[];
  return keys.map((key) => key.replace(`runner:{${queue}}:`, ''));
}

it.each(Object.entries(TOPOLOGIES))(
  'every photo is called back or a dead letter with its reason, on %s',
  async (_, start) => {
    const queue = `photos_${randomUUID()}`;
    const redis = await start(queue);
    onTestFinished(() => redis.stop());
    const { client, deadLetters } = redis;
    const gallery = await startGalleryServer();
    onTestFinished(() => gallery.close());
    const { elements, reasons, good } = makeJobs();
    await client.lpush(queue, ...elements);

    const command = new CommandProcess(['photos'], {
      REDIS_QUEUE_NAME: queue,
      REDIS_DLQ_NAME: deadLetters,
      API_BASE_URL: gallery.url,
      PROCESSING_INTERNAL_TOKEN: gallery.token,
      PROCESSING_EMBEDDING_DIM: '64',
      CLIP_MODELS: `tiny=${CLIP}`,
      PROJECT_ROOT: IMAGES,
      LOG_LEVEL: 'debug',
      ...redis.env,
    });
    onTestFinished(async () => {
      await command.kill('SIGKILL');
    });

    const delivered = (): Set<number> => new Set(gallery.callbacks.map(({ id }) => Number(id)));
    await until('some are called back', () => delivered().size > 20, 60_000);
    await redis.disturb();
    expect(delivered().size, 'the disturbance came in the middle').toBeLessThan(good.length);

    const letters = async (): Promise<DeadLetter[]> =>
      (await client.lrange(deadLetters, 0, -1)).map((entry) => JSON.parse(entry) as DeadLetter);
    const isDone = async (): Promise<boolean> =>
      delivered().size === good.length &&
      new Set((await letters()).map(({ photo_id }) => photo_id)).size === reasons.size + 1;
    await until('all have come to their end', isDone, 90_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${command.stderr.slice(-4000)}`);
    });
    expect(await command.kill('SIGTERM'), command.stderr.slice(-4000)).toBe(0);

    expect([...delivered()].sort((a, b) => a - b)).toEqual(good);
    const found = new Map((await letters()).map(({ photo_id, _runner: { reason } }) => [photo_id, reason]));
    expect(found).toEqual(new Map([...reasons, [undefined, 'invalid']]));
    const { [`runner:{${queue}}:dlqsent`]: sent, ...left } = await queueLeft(client, queue);
    expect(left).toEqual({});
    expect(sent === undefined).toBe(redis.env['REDIS_CLUSTER'] === undefined);
    expect((await keysOf(client, queue)).filter((key) => !ALLOWED.includes(key))).toEqual([]);
    expect(command.stdout + command.stderr).not.toContain(redis.secret);
    expect(command.stdout + command.stderr).not.toContain(encodeURIComponent(redis.secret));
  },
  180_000,
);
