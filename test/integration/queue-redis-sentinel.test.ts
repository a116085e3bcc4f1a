import { beforeAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import { redisQueue } from '../../src/queue/redis.js';
import { makeLab, never, type RedisLab } from '../support/redis-lab.js';
import { type Sentinels, startSentinels } from '../support/redis-topologies.js';
import { until } from '../support/until.js';

let redis: Sentinels;
let lab: RedisLab;

beforeAll(async () => {
  redis = await startSentinels();
  return () => redis.stop();
});
beforeEach(() => {
  lab = makeLab({ server: redis.primary, client: redis.client });
});
afterEach(() => lab.tidy());

describe('redisQueue with Sentinels', () => {
  it('passes one over that is silent, also where it is the first', async () => {
    const [first] = redis.sentinels;
    first!.signal('SIGSTOP');
    try {
      const startedAt = performance.now();
      const one = await lab.open({ url: redis.url, sentinelName: 'main' });
      await lab.push('a');
      expect(await one.queue.claim(1, never)).toHaveLength(1);
      expect(performance.now() - startedAt).toBeLessThan(8000);
    } finally {
      first!.signal('SIGCONT');
    }
  });

  it('says that they know no such primary', async () => {
    const queue = redisQueue({ url: redis.url, sentinelName: 'other' });
    let message = '';
    const opened = queue.open((event) => {
      if (event.type === 'down') message = event.error.message;
    });
    opened.catch(() => undefined);
    await until('it is told', () => message !== '');
    await queue.close({ deadlineMs: 1000 });
    expect(message).toContain('no primary named "other"');
  });

  it('takes ioredis’ own options, too', async () => {
    const sentinels = redis.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
    const one = await lab.open({ connection: { sentinels, name: 'main' } });
    await lab.push('a');
    expect(await one.queue.claim(1, never)).toHaveLength(1);
  });

  it('follows the primary when it is exchanged, with jobs in hand', async () => {
    const one = await lab.open({ url: redis.url, sentinelName: 'main' });
    await lab.push('a', 'b');
    const claims = await one.queue.claim(1, never);
    await redis.client.call('WAIT', '1', '2000');
    // The first one was stopped for a while, and keeps still after that.
    const sentinel = redis.sentinels.at(-1);
    await sentinel!.client().call('SENTINEL', 'FAILOVER', 'main');
    const isPrimary = redis.replica.client();
    await until('the replica is the primary', async () => String(await isPrimary.call('ROLE')).startsWith('master'));
    await one.queue.ack(claims);
    const late: string[] = [];
    const list = await one.list();
    // What the old primary was told too late is run again.
    await until('nothing is left at the new one', async () => {
      for (const claim of await one.queue.claim(1, never)) {
        late.push(claim.raw.toString());
        await one.queue.ack([claim]);
      }
      return (await isPrimary.llen(lab.name)) + (await isPrimary.llen(list)) === 0;
    });
    expect(late).toContain('b');
  });
});
