import { RunnerError } from '../errors.js';
import { memoryQueue } from '../queue/memory.js';
import type { Queue } from '../queue/queue.js';
import { redisQueue } from '../queue/redis.js';

const NAME = 'clip_runner_demo';
const CONNECT_MS = 5_000;

/** The demo's queue, and what a gallery server does: put jobs into it. Without a Redis it is the embedded one. */
export function openDemoQueue(redisUrl: string | undefined): {
  readonly queue: Queue;
  readonly push: (elements: readonly string[]) => Promise<void>;
} {
  if (redisUrl !== undefined)
    return { queue: redisQueue({ url: redisUrl, name: NAME }), push: (elements) => pushToRedis(redisUrl, elements) };
  const queue = memoryQueue();
  const push = (elements: readonly string[]): Promise<void> => {
    queue.push(...elements);
    return Promise.resolve();
  };
  return { queue, push };
}

/** One attempt: a demo that waits for a Redis to come up would look like one that hangs. */
async function pushToRedis(url: string, elements: readonly string[]): Promise<void> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, { retryStrategy: () => null, connectTimeout: CONNECT_MS, lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.lpush(NAME, ...elements);
  } catch (cause) {
    const message = 'No Redis took the jobs of the demo at REDIS_URL; check it, or unset it for the embedded queue.';
    throw new RunnerError('QUEUE_UNAVAILABLE', message, { cause });
  } finally {
    if (redis.status !== 'end') redis.disconnect();
  }
}
