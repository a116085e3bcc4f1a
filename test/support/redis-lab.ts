import { randomUUID } from 'node:crypto';

import type { Redis } from 'ioredis';

import type { Queue, QueueEvent } from '../../src/queue/queue.js';
import { type RedisKeys, redisKeys } from '../../src/queue/redis-keys.js';
import { redisQueue, type RedisQueueOptions } from '../../src/queue/redis.js';
import { type RedisServer, type RedisServerOptions, startRedis } from './redis-server.js';
import { until } from './until.js';

export interface LabQueue {
  readonly queue: Queue;
  readonly events: readonly QueueEvent[];
  count(type: QueueEvent['type']): number;
  /** Key of the list of what this queue holds. */
  list(): Promise<string>;
  heartbeat(): Promise<string>;
}

/** A private server and queues on it that are quick to notice things; one queue name per lab. */
export interface RedisLab {
  readonly server: RedisServer;
  readonly client: Redis;
  readonly name: string;
  readonly keys: RedisKeys;
  open(options?: RedisQueueOptions): Promise<LabQueue>;
  push(...elements: readonly string[]): Promise<void>;
  waiting(): Promise<readonly string[]>;
  dead(): Promise<readonly string[]>;
  /** A consumer that died with these elements in hand, the first taken first. */
  leaveBehind(consumer: string, ...elements: readonly string[]): Promise<void>;
  /** Closes the queues. */
  tidy(): Promise<void>;
}

export const QUICK = {
  heartbeatTtlMs: 1500,
  beatMs: 100,
  reapEveryMs: 40,
  promoteEveryMs: 20,
  claimTimeoutMs: 300,
  backoffBaseMs: 2,
  backoffMaxMs: 4,
} satisfies RedisQueueOptions;

export const never = new AbortController().signal;

export async function startLabServer(options?: RedisServerOptions): Promise<{ server: RedisServer; client: Redis }> {
  const server = await startRedis(options);
  return { server, client: server.client() };
}

export function makeLab({ server, client }: { server: RedisServer; client: Redis }): RedisLab {
  const name = `lab-${randomUUID()}`;
  const keys = redisKeys(name, `${name}_dlq`);
  const queues: Queue[] = [];
  const texts = async (key: string): Promise<string[]> => (await client.lrange(key, 0, -1)).reverse();

  return {
    server,
    client,
    name,
    keys,
    open: async (options = {}) => {
      const server_ = options.connection || options.url ? {} : { url: server.url };
      const queue = redisQueue({ ...QUICK, name, ...server_, ...options });
      queues.push(queue);
      const events: QueueEvent[] = [];
      const before = new Set(await client.smembers(keys.consumers));
      await queue.open((event) => events.push(event));
      let self: string | undefined;
      const consumer = async (): Promise<string> => {
        await until('the consumer is registered', async () => {
          self ??= (await client.smembers(keys.consumers)).find((id) => !before.has(id));
          return self !== undefined;
        });
        return self!;
      };
      if (queue.name === name) await consumer();
      return {
        queue,
        events,
        count: (type) => events.filter((event) => event.type === type).length,
        list: async () => keys.processing(await consumer()),
        heartbeat: async () => keys.heartbeat(await consumer()),
      };
    },
    push: async (...elements) => {
      await client.lpush(name, ...elements);
    },
    waiting: () => texts(name),
    dead: () => texts(keys.deadLetters),
    leaveBehind: async (consumer, ...elements) => {
      await client.lpush(keys.processing(consumer), ...elements);
      await client.sadd(keys.consumers, consumer);
    },
    tidy: async () => {
      await Promise.all(queues.map((queue) => queue.close({ deadlineMs: 2000 })));
    },
  };
}
