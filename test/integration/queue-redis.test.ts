import { randomUUID } from 'node:crypto';

import { beforeAll, describe } from 'vitest';

import { redisKeys } from '../../src/queue/redis-keys.js';
import { redisQueue } from '../../src/queue/redis.js';
import { describeQueueContract, type QueueHarness } from '../support/queue-contract.js';
import { redisModelWorld } from '../support/queue-model-redis.js';
import { describeQueueModel } from '../support/queue-model.js';
import { startRedis, useRedis } from '../support/redis-server.js';

describe('redisQueue', () => {
  let server: Awaited<ReturnType<typeof useRedis>>;
  let client: ReturnType<typeof server.client>;

  beforeAll(async () => {
    server = await useRedis();
    client = server.client();
    return () => server.stop();
  });

  const makeHarness = (): Promise<QueueHarness> => {
    const name = `test-${randomUUID()}`;
    return Promise.resolve({
      create: (options) => redisQueue({ name, url: server.url, promoteEveryMs: 5, ...options }),
      push: async (...elements) => {
        if (elements.length > 0) await client.lpush(name, ...elements);
      },
      waiting: async () => (await client.lrangeBuffer(name, 0, -1)).reverse(),
      dead: async () => (await client.lrangeBuffer(`${name}_dlq`, 0, -1)).reverse(),
      dispose: async () => {
        const keys = redisKeys(name, `${name}_dlq`);
        await client.unlink(...Object.values(keys).filter((key): key is string => typeof key === 'string'));
      },
    });
  };

  describe('keeps the contract', () => describeQueueContract(makeHarness));
});

describe('redisQueue', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  let client: ReturnType<typeof server.client>;

  beforeAll(async () => {
    server = await startRedis();
    client = server.client();
    return () => server.stop();
  });

  describe('keeps the model', () => describeQueueModel(() => Promise.resolve(redisModelWorld(server, client)), 8));
});
