import { randomUUID } from 'node:crypto';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import type { Claim, Failure } from '../../src/queue/queue.js';
import { redisKeys, type RedisKeys } from '../../src/queue/redis-keys.js';
import { BURY, runScript } from '../../src/queue/redis-scripts.js';
import { redisQueue, type RedisQueueOptions } from '../../src/queue/redis.js';
import { describeQueueContract, type QueueHarness } from '../support/queue-contract.js';
import { foreignName, type RedisCluster, startCluster } from '../support/redis-cluster.js';
import { type LabQueue, makeLab, never, type RedisLab } from '../support/redis-lab.js';
import { until } from '../support/until.js';

const failure: Failure = { error: new RunnerError('IMAGE_DECODE', 'x') };

let cluster: RedisCluster;
let lab: RedisLab;
let deadLetters: string;
let keys: RedisKeys;

beforeAll(async () => {
  cluster = await startCluster();
  return () => cluster.stop();
});
beforeEach(async () => {
  const [{ server }] = cluster.nodes as [RedisCluster['nodes'][0]];
  lab = makeLab({ server, client: cluster.client });
  deadLetters = await foreignName(cluster, lab.name);
  keys = redisKeys(lab.name, deadLetters, true);
});
afterEach(() => lab.tidy());

const open = (options: RedisQueueOptions = {}): Promise<LabQueue> =>
  lab.open({ url: cluster.url, cluster: true, deadLetterName: deadLetters, ...options });
const texts = (claims: readonly Claim[]): string[] => claims.map(({ raw }) => raw.toString());
const dead = async (): Promise<string[]> =>
  (await cluster.client.lrange(deadLetters, 0, -1)).map((entry) => entry.replace(/,?"_runner":.*(?=\})/, '')).reverse();

async function claimSome({ queue }: LabQueue, max = 10): Promise<readonly Claim[]> {
  let claims: readonly Claim[] = [];
  await until('something can be claimed', async () => (claims = await queue.claim(max, never)).length > 0);
  return claims;
}

describe('redisQueue on a cluster', () => {
  const makeHarness = (): Promise<QueueHarness> => {
    const name = `test-${randomUUID()}`;
    const deadLetterName = `{${name}}_dlq`;
    const { client, url } = cluster;
    return Promise.resolve({
      create: (options) => redisQueue({ name, url, cluster: true, deadLetterName, promoteEveryMs: 5, ...options }),
      push: async (...elements) => {
        if (elements.length > 0) await client.lpush(name, ...elements);
      },
      waiting: async () => (await client.lrangeBuffer(name, 0, -1)).reverse(),
      dead: async () => (await client.lrangeBuffer(deadLetterName, 0, -1)).reverse(),
      dispose: () => Promise.resolve(),
    });
  };

  describe('keeps the contract', () => describeQueueContract(makeHarness));
});

describe('dead letters in another slot', () => {
  it('arrive by way of the outbox, in their order, also bare ones', async () => {
    const one = await open({ maxElementBytes: 20 });
    const elements = ['{"photo_id":1}', 'x'.repeat(30), '{"photo_id":2}'];
    await lab.push(...elements);
    for (const claim of await claimSome(one)) await one.queue.bury(claim, failure);
    // One that is on its way between two servers may be seen in both, or in neither.
    await until('all are counted', async () => (await one.queue.depth()).dead === 3);
    await until('all have arrived', async () => (await dead()).length === 3);
    await until('the outbox is empty', async () => (await cluster.client.llen(keys.outbox!)) === 0);
    expect(await dead()).toEqual(elements);
    expect(await cluster.client.llen(keys.sent)).toBe(3);
    expect(await cluster.client.pttl(keys.sent)).toBeGreaterThan(3_000_000);
    expect(await one.queue.depth()).toEqual({ waiting: 0, inFlight: 0, retry: 0, suspects: 0, dead: 3 });
  });

  it('have all arrived when the queue is closed', async () => {
    const one = await open({ promoteEveryMs: 60_000 });
    await lab.push('{"photo_id":1}', '{"photo_id":2}');
    for (const claim of await claimSome(one)) await one.queue.bury(claim, failure);
    await one.queue.close();
    expect(await dead()).toEqual(['{"photo_id":1}', '{"photo_id":2}']);
    expect(await cluster.client.llen(keys.outbox!)).toBe(0);
  });

  it('that a runner died with on the way are sent on by the next one, at worst twice', async () => {
    await cluster.client.lpush(keys.outbox!, 'half-sent', 'not sent');
    await cluster.client.lpush(deadLetters, 'half-sent');
    await open({ promoteEveryMs: 60_000 });
    await until('the outbox is empty', async () => (await cluster.client.llen(keys.outbox!)) === 0);
    expect(await dead()).toEqual(['half-sent', 'half-sent', 'not sent']);
  });

  it('are each sent by one of several runners', async () => {
    const fleet = await Promise.all([open(), open(), open()]);
    const elements = Array.from({ length: 60 }, (_, index) => `{"photo_id":${index + 1}}`);
    await lab.push(...elements);
    let count = 0;
    await until('all are buried', async () => {
      for (const { queue } of fleet)
        for (const claim of await queue.claim(3, never)) {
          count += 1;
          await queue.bury(claim, failure);
        }
      return count === elements.length;
    });
    await until('the outbox is empty', async () => (await cluster.client.llen(keys.outbox!)) === 0);
    expect((await dead()).sort()).toEqual([...elements].sort());
  });

  it('are known again by a burial that is carried out twice, with a twin in the list', async () => {
    const list = keys.processing('me');
    await cluster.client.lpush(list, 'twin', 'twin');
    const { client } = await cluster.primaryOf(lab.name);
    const bury = async (): Promise<string> =>
      String(
        await runScript(
          client,
          BURY,
          [list, keys.outbox!, keys.tries, keys.deadLetterNotes, keys.sent],
          ['twin', 'entry', 'id'],
        ),
      );
    expect(await bury()).toBe('buried');
    expect(await bury()).toBe('replay');
    await open();
    await until('it has gone on', async () => (await cluster.client.llen(keys.outbox!)) === 0);
    expect(await bury()).toBe('replay');
    expect(await cluster.client.llen(list)).toBe(1);
    expect(await dead()).toEqual(['entry']);
    await cluster.client.del(list);
  });

  it('wait while their node is down; jobs go on, and it is told', async () => {
    const { server } = await cluster.primaryOf(deadLetters);
    const one = await open();
    await lab.push('bad', 'good');
    const [bad, good] = await claimSome(one, 2);
    await server.kill();
    try {
      await one.queue.bury(bad!, failure);
      await until('it is told', () => one.count('down') > 0);
      await one.queue.ack([good!]);
      await lab.push('another');
      const another = await claimSome(one);
      expect(texts(another)).toEqual(['another']);
      await one.queue.ack(another);
      expect(await cluster.client.llen(keys.outbox!)).toBe(1);
      await expect(one.queue.depth()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    } finally {
      await server.start();
      await cluster.settled();
    }
    await until('it has arrived', async () => (await cluster.client.llen(deadLetters)) === 1);
    await until('it is up again', () => one.count('up') > 0);
  });
});

describe('a slot that moves to another node', () => {
  it('takes the jobs in hand with it, and a claim that waits', async () => {
    const one = await open();
    await lab.push('a', 'b', 'c');
    const claims = await claimSome(one, 2);
    await cluster.moveSlot(lab.name);
    await one.queue.ack([claims[0]!]);
    expect(await one.queue.retry(claims[1]!, { error: new RunnerError('FILE_IO', 'x') })).toMatchObject({
      kind: 'scheduled',
    });
    const rest = new Set<string>();
    await until('the others are in hand', async () => {
      for (const claim of await one.queue.claim(2, never)) {
        rest.add(claim.raw.toString());
        await one.queue.ack([claim]);
      }
      return rest.size === 2;
    });
    expect([...rest].sort()).toEqual(['b', 'c']);
    const waits = one.queue.claim(1, never);
    await cluster.moveSlot(lab.name);
    await waits;
    await lab.push('late');
    expect(texts(await claimSome(one))).toEqual(['late']);
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });

  it('is waited for while it is on its way', async () => {
    const one = await open();
    await lab.push('a', 'b');
    const [a] = await claimSome(one, 1);
    const finish = await cluster.beginMove(lab.name);
    // The retry set is not there yet: it would be made on the other node.
    const retried = one.queue.retry(a!, { error: new RunnerError('FILE_IO', 'x') });
    await until('it is told', () => one.count('down') > 0);
    const down = one.events.find(({ type }) => type === 'down');
    expect(down).toMatchObject({ error: { message: expect.stringContaining('being moved') as string } });
    await finish();
    const found = new Set<string>();
    await until('both are there', async () => {
      for (const text of texts(await one.queue.claim(2, never))) found.add(text);
      return found.size === 2;
    });
    expect(await retried).toMatchObject({ kind: 'scheduled', attempts: 1 });
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });
});

describe('finding the way', () => {
  it('goes on when the only node that was named is gone', async () => {
    const queueNode = await cluster.primaryOf(lab.name);
    const named = cluster.nodes.find((node) => node !== queueNode)!;
    const one = await lab.open({ url: named.server.url, cluster: true, deadLetterName: `{${lab.name}}_dlq` });
    await lab.push('a');
    const claims = await claimSome(one);
    await named.server.kill();
    try {
      await queueNode.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await one.queue.ack(claims);
      await lab.push('b');
      expect(texts(await claimSome(one))).toEqual(['b']);
    } finally {
      await named.server.start();
      await cluster.settled();
    }
  });

  it('says what to set where a cluster was not expected', async () => {
    const queueNode = await cluster.primaryOf(lab.name);
    const other = cluster.nodes.find((node) => node !== queueNode)!;
    const queue = redisQueue({ name: lab.name, url: other.server.url, claimTimeoutMs: 300 });
    const messages: string[] = [];
    await queue.open((event) => event.type === 'down' && messages.push(event.error.message));
    expect(await queue.claim(1, never)).toEqual([]);
    await queue.close({ deadlineMs: 1000 });
    expect(messages[0]).toMatch(/MOVED.*REDIS_CLUSTER=1/);
  });
});
