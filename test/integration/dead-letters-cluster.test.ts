import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import type { Redis } from 'ioredis';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/clock.js';
import { RunnerError } from '../../src/errors.js';
import { deadLetter, sha1Hex } from '../../src/queue/dead-letter.js';
import { deadLetters, type DeadLetters } from '../../src/queue/dead-letters.js';
import { ForeignTaker } from '../../src/queue/foreign-letter-taker.js';
import { QueueWatch } from '../../src/queue/queue-watch.js';
import { redisKeys, type RedisKeys } from '../../src/queue/redis-keys.js';
import { resolveRedisQueueOptions } from '../../src/queue/redis-options.js';
import { ToolLinks } from '../../src/queue/redis-tool-link.js';
import { ulid } from '../../src/queue/ulid.js';
import { documentedAcl, documentedToolRights } from '../support/documented-acl.js';
import { type Ending, plainEnvironment, Program } from '../support/program.js';
import { foreignName, type RedisCluster, startCluster } from '../support/redis-cluster.js';
import { type Sentinels, startSentinels } from '../support/redis-topologies.js';
import { until } from '../support/until.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

let cluster: RedisCluster;
let client: Redis;
let name: string;
let keys: RedisKeys;
const opened: DeadLetters[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  client = cluster.client;
  return () => cluster.stop();
});
beforeEach(async () => {
  name = `q-${randomUUID()}`;
  keys = redisKeys(name, await foreignName(cluster, name), true);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((letters) => letters.close()));
  await Promise.all(cluster.nodes.map((node) => node.client.flushall()));
});

function open(user = ''): DeadLetters {
  const url = cluster.url.replace('redis://', `redis://${user}`);
  const letters = deadLetters({ url, cluster: true, name, deadLetterName: keys.deadLetters });
  opened.push(letters);
  return letters;
}

let count = 0;
interface Death {
  readonly reason?: string;
  readonly isBare?: boolean;
}

/** Buries an element as a runner does; answers the id of its note. */
async function die(raw: string | Buffer, { reason = 'decode', isBare = false }: Death = {}): Promise<string> {
  count += 1;
  const failedAtMs = Date.UTC(2026, 0, 1);
  const id = ulid(failedAtMs, Buffer.from(count.toString(16).padStart(20, '0'), 'hex'));
  const error = new RunnerError('IMAGE_DECODE', 'no picture');
  const facts = { id, queue: name, reason, error, attempts: 2, kills: 0, firstFailedAtMs: 0, failedAtMs, by: 'h:1@0' };
  const letter = deadLetter(Buffer.from(raw as string), facts, isBare ? 1 : 65_536);
  if (letter.isBare) await client.hset(keys.deadLetterNotes, id, JSON.stringify(letter.note));
  await client.lpush(keys.deadLetters, letter.entry);
  return id;
}

async function dieMany(total: number, reasonOf: (photo: number) => string = () => 'decode'): Promise<void> {
  for (let photo = 0; photo < total; photo += 1) await die(`{"photo_id":${photo}}`, { reason: reasonOf(photo) });
}

/** Oldest first. */
const waiting = async (): Promise<readonly Buffer[]> => (await client.lrangeBuffer(name, 0, -1)).reverse();
const photos = async (): Promise<readonly number[]> =>
  (await waiting()).map((raw) => (JSON.parse(raw.toString()) as { photo_id: number }).photo_id);
const sorted = (numbers: readonly number[]): readonly number[] => [...numbers].sort((a, b) => a - b);
const upTo = (total: number): readonly number[] => Array.from({ length: total }, (_, index) => index);
const left = (): Promise<number> => client.llen(keys.deadLetters);
/** What a queue leaves behind besides its lists. */
const traces = (): Promise<number[]> =>
  Promise.all([keys.redriven, keys.takeGate, keys.deadLetterNotes, keys.tries].map((key) => client.exists(key)));

/** A user whose redrives end half-way: it may put back, but not remove. */
async function withoutRemoving(): Promise<string> {
  for (const node of cluster.nodes)
    await node.client.call('ACL', 'SETUSER', 'half', 'on', '>pw', '~*', '+@all', '-lset');
  return 'half:pw@';
}

describe('deadLetters() in another slot than the queue', () => {
  it('lists and shows them, bare ones with their notes', async () => {
    const first = await die('{"photo_id":1}');
    const bare = await die(Buffer.from([0xff, 0, 1, 2]), { isBare: true, reason: 'too_large' });
    const letters = open();
    const found = [];
    for await (const entry of letters.entries()) found.push(entry);
    expect(found).toMatchObject([
      { id: first, reason: 'decode', photoId: '1' },
      { id: bare, reason: 'too_large', sizeBytes: 4 },
    ]);
    expect((await letters.get(bare))?.element).toEqual(Buffer.from([0xff, 0, 1, 2]));
  });

  it('gives back every byte, in the order of the deaths, and leaves nothing behind', async () => {
    const long = Buffer.alloc(17 * 1024 * 1024, 'x');
    const elements = [
      ...['{"photo_id":9007199254740993 , "x":1.50}\n', 'no json', '{"photo_id":2}', '{"photo_id":2}'],
      ...['', long, Buffer.from([0xff, 0x00, 0x0a]), 'twin', 'twin'],
    ].map((raw) => Buffer.from(raw as string));
    for (const [index, raw] of elements.entries()) {
      if (index % 3 === 2) await client.lpush(keys.deadLetters, raw);
      else await die(raw, { isBare: index % 3 === 1 });
      await client.hset(keys.tries, { [sha1Hex(raw)]: 3, [`${sha1Hex(raw)}:k`]: 1, [`${sha1Hex(raw)}:f`]: 1 });
    }
    expect(await open().redrive()).toBe(elements.length);
    const back = await waiting();
    expect(back.map((raw, index) => raw.equals(elements[index]!))).toEqual(elements.map(() => true));
    expect([await left(), ...(await traces())]).toEqual([0, 0, 0, 0, 0]);
    expect(await open().redrive()).toBe(0);
    expect(await client.llen(name)).toBe(elements.length);
  });

  it('takes those alone that match, up to the limit', async () => {
    await dieMany(300, (photo) => (photo % 3 === 0 ? 'decode' : 'io'));
    const letters = open();
    expect(await letters.redrive({ reason: 'decode' }, { limit: 70 })).toBe(70);
    expect(await photos()).toEqual(upTo(70).map((index) => 3 * index));
    expect(await letters.purge({ reason: 'io' }, { limit: 20 })).toBe(20);
    expect(await letters.redrive({ reason: 'decode' })).toBe(30);
    expect([await left(), ...(await traces())]).toEqual([180, 0, 0, 0, 0]);
  });

  it('removes for good, with the notes', async () => {
    const bare = await die('x'.repeat(20), { isBare: true });
    const twin = await die('x'.repeat(20), { isBare: true });
    await die('{"photo_id":1}', { reason: 'io' });
    const letters = open();
    expect(await letters.purge({ id: bare })).toBe(1);
    expect(await client.hkeys(keys.deadLetterNotes)).toEqual([twin]);
    expect(await letters.purge()).toBe(2);
    expect(await letters.purge()).toBe(0);
    expect([await client.exists(name), await left(), ...(await traces())]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('needs no more rights than are documented', async () => {
    const names = { user: 'runner', password: 'pw', queue: name, deadLetters: keys.deadLetters };
    for (const node of cluster.nodes) {
      await node.client.call('ACL', ...documentedAcl(names, { cluster: true }), ...documentedToolRights());
      await node.client.script('FLUSH');
    }
    await dieMany(3);
    await die('bare', { isBare: true });
    const letters = open('runner:pw@');
    expect(await letters.redrive({}, { limit: 2 })).toBe(2);
    expect(await letters.purge()).toBe(2);
    const options = { url: cluster.url.replace('redis://', 'redis://runner:pw@'), cluster: true };
    const watch = new QueueWatch({ ...options, name, deadLetterName: keys.deadLetters });
    expect(await watch.look()).toMatchObject({ waiting: 2, dead: 0 });
    await watch.close();
  });

  it('takes nothing that is not in its place, byte for byte', async () => {
    await client.lpush(keys.deadLetters, 'older', 'newer');
    const links = new ToolLinks(
      resolveRedisQueueOptions({ url: cluster.url, cluster: true, name, deadLetterName: keys.deadLetters }),
    );
    await links.ready();
    const taker = new ForeignTaker(links, systemClock);
    const items = ['older', 'older'].map((text, place) => {
      const entry = Buffer.from(text);
      return { place, entry, noteId: undefined, element: entry, isUnique: false };
    });
    const { signal } = new AbortController();
    expect(await taker.take('purge', items.slice(1), signal)).toBe(0);
    expect(await taker.take('redrive', items.slice(1), signal)).toBe(0);
    expect([await waiting(), await left()]).toEqual([[], 2]);
    expect(await taker.take('redrive', items, signal)).toBe(1);
    expect([await client.lrange(name, 0, -1), await client.lrange(keys.deadLetters, 0, -1)]).toEqual([
      ['older'],
      ['newer'],
    ]);
    await links.close();
  });

  it('multiplies nothing and leaves nothing where several do it at once', async () => {
    const total = 1200;
    // Entries of the end are no runner's: nothing but the gate keeps them from being put back twice.
    await dieMany(total / 2, (photo) => ['a', 'b', 'c', 'd'][photo % 4]!);
    for (let photo = total / 2; photo < total; photo += 1)
      await client.lpush(keys.deadLetters, `{"photo_id":${photo}}`);
    const done = await Promise.all([
      open().redrive({ reason: 'a' }),
      open().redrive({}, { limit: 300 }),
      open().purge({ reason: 'd' }),
      open().redrive(),
      open().redrive({ reason: 'b' }),
      open().redrive({ reason: 'unknown' }),
      open().redrive({ reason: 'unknown' }),
    ]);
    expect(done.reduce((sum, part) => sum + part, 0)).toBe(total);
    const back = await photos();
    expect(new Set(back).size).toBe(back.length);
    expect(back).toHaveLength(total - done[2]);
    expect(back.filter((photo) => photo % 4 !== 3 || photo >= total / 2)).toHaveLength((7 * total) / 8);
    expect([await left(), ...(await traces())]).toEqual([0, 0, 0, 0, 0]);
  });

  it('knows again what a redrive which ended half-way has put back, however often', async () => {
    await dieMany(120);
    const half = open(await withoutRemoving());
    for (let call = 0; call < 3; call += 1)
      await expect(half.redrive()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    // One group is in both places.
    expect([(await photos()).length, await left()]).toEqual([50, 120]);
    expect(await client.pttl(keys.redriven)).toBeGreaterThan(80_000_000);
    expect(await open().redrive()).toBe(120);
    expect(await photos()).toEqual(upTo(120));
    expect([await left(), ...(await traces())]).toEqual([0, 0, 0, 0, 0]);
  });

  it('puts entries that no runner wrote back again after such an end, and loses no twin of them', async () => {
    const twin = '{"photo_id":7}';
    await client.lpush(keys.deadLetters, twin, twin, twin);
    await expect(open(await withoutRemoving()).redrive()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    expect(await photos()).toEqual([7, 7, 7]);
    expect(await open().redrive()).toBe(3);
    expect(await photos()).toEqual([7, 7, 7, 7, 7, 7]);
  });

  it('puts nothing back once the gate is somebody else’s', async () => {
    await dieMany(1);
    const options = { url: cluster.url, cluster: true, name, deadLetterName: keys.deadLetters };
    const links = new ToolLinks(resolveRedisQueueOptions(options));
    await links.ready();
    // Stopped for so long after it had looked that its gate ran out.
    const use = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
      const answer = await links.letters.use(work);
      await client.set(keys.takeGate, 'other');
      return answer;
    };
    const taker = new ForeignTaker({ keys, queue: links.queue, letters: { use } }, systemClock);
    const [entry] = await client.lrangeBuffer(keys.deadLetters, 0, 0);
    const item = { place: 0, entry: entry!, noteId: undefined, element: Buffer.from('x'), isUnique: true };
    expect(await taker.take('redrive', [item], new AbortController().signal)).toBe(0);
    expect([await client.llen(name), await left(), await client.get(keys.takeGate)]).toEqual([0, 1, 'other']);
    await links.close();
  });

  it('goes on after the connection broke or the slot moved, when it is called again', async () => {
    await dieMany(10);
    const letters = open();
    expect(await letters.redrive({}, { limit: 2 })).toBe(2);
    for (const node of cluster.nodes) await node.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const again = async (): Promise<number> => letters.redrive({}, { limit: 2 }).catch(() => 0);
    let taken = 0;
    await until('it goes on', async () => (taken += await again()) === 2);
    await cluster.moveSlot(keys.deadLetters);
    await cluster.moveSlot(name);
    await expect(letters.redrive({}, { limit: 2 })).rejects.toMatchObject({ message: /MOVED/ });
    taken = 0;
    await until('it goes on', async () => (taken += await again()) === 2);
    expect(await letters.redrive()).toBe(4);
    expect(await photos()).toEqual(upTo(10));
  });
});

const environment = (more: Readonly<Record<string, string>>): Record<string, string> =>
  plainEnvironment({ REDIS_QUEUE_NAME: name, REDIS_DLQ_NAME: keys.deadLetters, ...more });
const onCluster = (): Record<string, string> => environment({ REDIS_URL: cluster.url, REDIS_CLUSTER: '1' });

function start(env: Readonly<Record<string, string>>, args: readonly string[]): Program {
  return new Program(process.execPath, [CLI, ...args], { env });
}
const command = (env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ending> =>
  start(env, args).end();

describe('clip-runner dlq and status on a cluster', () => {
  it('list, show, put back, remove and count', async () => {
    const id = await die('{ "photo_id": 1 }');
    await die('{"photo_id":2}', { reason: 'io' });
    await die('{"photo_id":3}', { reason: 'io' });
    await client.lpush(keys.outbox!, 'on its way');
    const env = onCluster();
    expect((await command(env, 'dlq', 'list')).stdout).toMatch(/photo 1 .*\n.*photo 2 .*\n.*photo 3/);
    expect((await command(env, 'dlq', 'show', id, '--raw')).stdout).toBe('{ "photo_id": 1 }');
    const status = async (): Promise<unknown> =>
      JSON.parse((await command(env, 'status', '--json', '--only', 'photos')).stdout);
    const oldestDeadAt = '2026-01-01T00:00:00.000Z';
    expect(await status()).toMatchObject({ queues: [{ queue: name, waiting: 0, dead: 4, oldestDeadAt }] });
    expect((await command(env, 'dlq', 'redrive', '--id', id)).stdout).toBe(`1 dead letter put back into ${name}\n`);
    expect((await command(env, 'dlq', 'purge', '--photo', '3', '--yes')).stdout).toBe(
      `1 dead letter removed from ${keys.deadLetters}\n`,
    );
    expect(await status()).toMatchObject({ queues: [{ waiting: 1, dead: 2 }] });
    expect(await waiting()).toEqual([Buffer.from('{ "photo_id": 1 }')]);
  });

  it('lose nothing when they are killed half-way, and finish exactly when they are called again', async () => {
    const total = 1500;
    await dieMany(total);
    const env = onCluster();
    for (const delayMs of [0, 7, 23]) {
      const before = await client.llen(name);
      const program = start(env, ['dlq', 'redrive', '--yes']);
      // Where we are looking too slowly it has done all of it.
      const isBegun = async (): Promise<boolean> => (await client.llen(name)) > before;
      await until('some are back', async () => (await isBegun()) || program.child.exitCode !== null);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      program.child.kill('SIGKILL');
      await program.end();
      const dead = (await client.lrange(keys.deadLetters, 0, -1)).map(
        (text) => (JSON.parse(text) as { photo_id: number }).photo_id,
      );
      const back = await photos();
      expect(sorted([...new Set([...dead, ...back])])).toEqual(upTo(total));
      expect(dead.length + back.length - total).toBeLessThanOrEqual(50);
    }
    expect((await command(env, 'dlq', 'redrive', '--yes')).ended).toBe(0);
    expect(sorted(await photos())).toEqual(upTo(total));
    expect((await command(env, 'dlq', 'redrive', '--yes')).stdout).toBe(`0 dead letters put back into ${name}\n`);
    // Marks of entries that were removed may stay behind until their time is over.
    expect([await left(), await client.exists(keys.takeGate)]).toEqual([0, 0]);
  });

  it('say what to set where no cluster was expected', async () => {
    const own = await cluster.primaryOf(name);
    const { server } = cluster.nodes.find((node) => node !== own)!;
    for (const args of [['status'], ['dlq', 'list']]) {
      const { ended, stderr } = await command(environment({ REDIS_URL: server.url }), ...args);
      expect(ended).toBe(1);
      expect(stderr).toContain('REDIS_CLUSTER=1');
    }
  });
});

describe('clip-runner dlq and status with Sentinels', () => {
  let sentinels: Sentinels;

  beforeAll(async () => {
    sentinels = await startSentinels();
    return () => sentinels.stop();
  });

  it('find the primary, in one slot and one step', async () => {
    keys = redisKeys(name, `${name}_dlq`);
    const entries = ['{"photo_id":1}', '{"photo_id":2}'];
    await sentinels.client.lpush(keys.deadLetters, ...entries);
    const env = environment({ REDIS_URL: sentinels.url, REDIS_SENTINEL_NAME: 'main' });
    expect((await command(env, 'dlq', 'list', '--json')).stdout.trimEnd().split('\n')).toHaveLength(2);
    expect((await command(env, 'dlq', 'redrive', '--photo', '1')).ended).toBe(0);
    expect((await command(env, 'dlq', 'purge', '--all', '--yes')).ended).toBe(0);
    expect(JSON.parse((await command(env, 'status', '--json', '--only', 'photos')).stdout)).toMatchObject({
      queues: [{ queue: name, waiting: 1, dead: 0 }],
    });
    expect(await sentinels.client.keys('*')).toEqual([name]);
    const letters = deadLetters({ url: sentinels.url, sentinelName: 'main', name });
    opened.push(letters);
    expect(await letters.redrive()).toBe(0);
  });
});
