import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import type { Claim } from '../../src/queue/queue.js';
import { ACKNOWLEDGE, RETRY } from '../../src/queue/redis-scripts.js';
import { redisQueue, type RedisQueueOptions } from '../../src/queue/redis.js';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { type LabQueue, makeLab, never, QUICK, type RedisLab, startLabServer } from '../support/redis-lab.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

let base: Awaited<ReturnType<typeof startLabServer>>;
let proxy: FaultProxy;
let lab: RedisLab;

beforeAll(async () => {
  base = await startLabServer();
  return () => base.server.stop();
});
beforeEach(async () => {
  proxy = await startFaultProxy(base.server.port);
  lab = makeLab(base);
});
afterEach(async () => {
  await lab.client.replicaof('NO', 'ONE');
  await lab.client.config('SET', 'maxmemory', '0');
  await lab.client.call('CLIENT', 'UNPAUSE');
  await lab.tidy();
  await proxy.stop();
});

const texts = (claims: readonly Claim[]): string[] => claims.map(({ raw }) => raw.toString());
const throughProxy = (): { url: string } => ({ url: `redis://127.0.0.1:${proxy.port}/0` });
const failure = { error: new RunnerError('RUN_FAILED', 'x'), minDelayMs: 600_000 };

/** A claim that waits still does so when somebody looks for it, however busy the machine is. */
const PATIENT = { claimTimeoutMs: 10_000, heartbeatTtlMs: 30_000 };
/** Nothing is noticed by a beat: what is found is found by the claims themselves. */
const SLOW_BEATS = { heartbeatTtlMs: 300_000, beatMs: 100_000 };
/**
 * Nor does anything else ask the server: on a connection that lives on, an answer that is missing would put all later ones
 * to the wrong questions.
 */
const SILENT = { ...PATIENT, ...SLOW_BEATS, reapEveryMs: 100_000, promoteEveryMs: 100_000 };

/** Waits until a claim waits on the server; answers the ids of such connections. */
async function untilBlocked(): Promise<readonly string[]> {
  let ids: string[] = [];
  await until('a claim waits on the server', async () => {
    const clients = String(await lab.client.call('CLIENT', 'LIST')).split('\n');
    ids = clients.filter((line) => / flags=\S*b/.test(line)).map((line) => /id=(\d+)/.exec(line)![1]!);
    return ids.length > 0;
  });
  return ids;
}

/** Claims until there is something. */
async function claimSome({ queue }: LabQueue, max = 10): Promise<readonly Claim[]> {
  let claims: readonly Claim[] = [];
  await until('something can be claimed', async () => (claims = await queue.claim(max, never)).length > 0);
  return claims;
}

/** Keeps the claim loop going, as a runner does, until a condition holds. */
async function claimUntil(
  { queue }: LabQueue,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<Claim[]> {
  const claimed: Claim[] = [];
  await until(what, async () => {
    claimed.push(...(await queue.claim(5, never)));
    return condition();
  });
  return claimed;
}

describe('an answer that is lost', () => {
  it('to an acknowledgement never costs an identical element its place', async () => {
    const one = await lab.open(throughProxy());
    const list = await one.list();
    await lab.push('twin', 'twin');
    const [first, second] = await claimSome(one, 2);
    // The server has to know the script: else it would only answer that it doesn't.
    await lab.client.script('LOAD', ACKNOWLEDGE.lua);
    proxy.swallowReplies(true);
    const acked = one.queue.ack([first!]);
    await until('the server has removed it', async () => (await lab.client.llen(list)) === 1);
    // Nobody on our side knows; then the connection breaks.
    proxy.swallowReplies(false);
    proxy.reset();
    await acked;
    expect(await claimUntil(one, 'it is up again', () => one.count('up') > 0)).toEqual([]);
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['twin']);
    expect(one.count('adopted') + one.count('lease:lost')).toBe(0);
    await one.queue.ack([second!]);
    expect(await lab.client.llen(list)).toBe(0);
  });

  it('to an acknowledgement that was not carried out is made good', async () => {
    const one = await lab.open(throughProxy());
    const list = await one.list();
    await lab.push('twin', 'twin');
    const [first] = await claimSome(one, 2);
    proxy.setBlackHole(true);
    const acked = one.queue.ack([first!]);
    proxy.reset();
    await acked;
    expect(await lab.client.llen(list)).toBe(2);
    proxy.setBlackHole(false);
    await claimUntil(one, 'one twin is gone', async () => (await lab.client.llen(list)) === 1);
    expect(one.count('adopted') + one.count('lease:lost')).toBe(0);
  });

  it('to a retry neither doubles nor loses it, with a twin in hand', async () => {
    const one = await lab.open(throughProxy());
    const list = await one.list();
    await lab.push('twin', 'twin');
    const [first] = await claimSome(one, 2);
    // The server has to know the script: else it would only answer that it doesn't.
    await lab.client.script('LOAD', RETRY.lua);
    proxy.swallowReplies(true);
    const outcome = one.queue.retry(first!, failure);
    await until('the server has scheduled it', async () => (await lab.client.zcard(lab.keys.retry)) === 1);
    proxy.swallowReplies(false);
    proxy.reset();
    await claimUntil(one, 'it is up again', () => one.count('up') > 0);
    expect(await outcome).toMatchObject({ kind: 'scheduled', attempts: 1 });
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['twin']);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(1);
  });

  it('to a burial neither doubles nor loses it, with a twin in hand', async () => {
    const one = await lab.open(throughProxy());
    const list = await one.list();
    await lab.push('twin', 'twin');
    const [first] = await claimSome(one, 2);
    // The burial reads counters first: let that through by pausing its answer only.
    proxy.setLatencyMs(500);
    const buried = one.queue.bury(first!, { error: new RunnerError('IMAGE_DECODE', 'x') });
    await until('the server has buried it', async () => (await lab.dead()).length === 1);
    proxy.reset();
    proxy.setLatencyMs(0);
    await claimUntil(one, 'it is up again', () => one.count('up') > 0);
    await buried;
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['twin']);
    expect(await lab.dead()).toHaveLength(1);
  });

  it('to a blocking claim is found in the own list', async () => {
    const one = await lab.open({ ...throughProxy(), ...PATIENT });
    const claims = one.queue.claim(1, never);
    await untilBlocked();
    proxy.swallowReplies(true);
    await lab.push('a');
    await until('the server has moved it', async () => (await lab.client.llen(await one.list())) === 1);
    proxy.swallowReplies(false);
    proxy.reset();
    const seen = [...(await claims)];
    if (seen.length === 0) seen.push(...(await claimSome(one)));
    expect(texts(seen)).toEqual(['a']);
    expect(one.count('adopted')).toBe(1);
  });

  it('to a blocking claim alone is made up for before anything else is claimed', async () => {
    const one = await lab.open({ ...throughProxy(), ...SILENT });
    const claims = one.queue.claim(1, never);
    const [id] = await untilBlocked();
    proxy.swallowReplies(true);
    await lab.push('a');
    await until('the server has moved it', async () => (await lab.client.llen(await one.list())) === 1);
    proxy.swallowReplies(false);
    await lab.client.call('CLIENT', 'KILL', 'ID', id!);
    await lab.push('b');
    const seen = [...(await claims)];
    while (seen.length < 2) seen.push(...(await claimSome(one)));
    expect(texts(seen)).toEqual(['a', 'b']);
  });

  it('to a claim that is called off is found by the next one', async () => {
    const one = await lab.open({ ...throughProxy(), ...SILENT });
    const controller = new AbortController();
    const claims = one.queue.claim(1, controller.signal);
    await untilBlocked();
    proxy.swallowReplies(true);
    await lab.push('a');
    await until('the server has moved it', async () => (await lab.client.llen(await one.list())) === 1);
    controller.abort();
    expect(await claims).toEqual([]);
    proxy.swallowReplies(false);
    expect(texts(await claimSome(one, 1))).toEqual(['a']);
  });

  it('to several claims at once loses none and doubles none', async () => {
    const one = await lab.open(throughProxy());
    const seen: string[] = [];
    for (let round = 0; round < 15; round += 1) {
      await lab.push(`${round}-a`, `${round}-b`, `${round}-c`);
      proxy.setLatencyMs(3);
      const claims = one.queue.claim(3, never);
      await until('the server has moved some', async () => (await lab.waiting()).length < 3);
      proxy.reset();
      proxy.setLatencyMs(0);
      const claimed = [...(await claims)];
      while (claimed.length < 3) claimed.push(...(await claimSome(one)));
      seen.push(...texts(claimed));
      await one.queue.ack(claimed);
    }
    expect(seen.sort()).toEqual(
      Array.from({ length: 15 }, (_, r) => [`${r}-a`, `${r}-b`, `${r}-c`])
        .flat()
        .sort(),
    );
    await claimUntil(one, 'nothing is left', async () => (await lab.client.llen(await one.list())) === 0);
  });
});

describe('claims that overlap', () => {
  /** One claim is out that gets all that it asks for, so that more may be asked for beside the next one. */
  async function openWithPlenty(count: number, options: RedisQueueOptions): Promise<LabQueue> {
    const one = await lab.open({ ...throughProxy(), ...options });
    await lab.push(...Array.from({ length: count }, (_, i) => String(i)));
    await one.queue.ack(await one.queue.claim(2, never));
    return one;
  }

  it('are on their way at the same time', async () => {
    const { queue } = await openWithPlenty(12, SILENT);
    expect(queue.claimsAtOnce).toBeGreaterThan(1);
    proxy.setLatencyMs(200);
    let answered = 0;
    const claims = [3, 4].map(async (max) => {
      const some = await queue.claim(max, never);
      answered += 1;
      return texts(some);
    });
    await until('the server has moved what both asked for', async () => (await lab.waiting()).length === 3);
    expect(answered).toBe(0);
    expect(await Promise.all(claims)).toEqual([
      ['2', '3', '4'],
      ['5', '6', '7', '8'],
    ]);
  });

  it('wait on the server one at a time where it has no more', async () => {
    const { queue } = await openWithPlenty(3, PATIENT);
    const claims = [queue.claim(2, never), queue.claim(2, never)];
    expect(texts(await claims[0]!)).toEqual(['2']);
    expect(await untilBlocked()).toHaveLength(1);
    await lab.push('late');
    expect(texts(await claims[1]!)).toEqual(['late']);
  });

  it('lose none and double none where the connection breaks', async () => {
    const one = await openWithPlenty(2, {});
    const seen: string[] = [];
    const names = (round: number): string[] => Array.from({ length: 6 }, (_, i) => `${round}-${i}`);
    for (let round = 0; round < 15; round += 1) {
      await lab.push(...names(round));
      const first = await claimSome(one, 1);
      proxy.setLatencyMs(3);
      const claims = [one.queue.claim(2, never), one.queue.claim(2, never)];
      await until('the server has moved some', async () => (await lab.waiting()).length < 5);
      proxy.reset();
      proxy.setLatencyMs(0);
      const claimed = [...first, ...(await Promise.all(claims)).flat()];
      while (claimed.length < 6) claimed.push(...(await claimSome(one)));
      seen.push(...texts(claimed));
      await one.queue.ack(claimed);
    }
    expect(seen.sort()).toEqual(
      Array.from({ length: 15 }, (_, round) => names(round))
        .flat()
        .sort(),
    );
    await claimUntil(one, 'nothing is left', async () => (await lab.client.llen(await one.list())) === 0);
  });

  it('are given back, all that came in, when the queue closes', async () => {
    const { queue } = await openWithPlenty(12, SILENT);
    proxy.setLatencyMs(100);
    const claims = [queue.claim(3, never), queue.claim(3, never)];
    await until('the server has moved what both asked for', async () => (await lab.waiting()).length === 4);
    await queue.close();
    await Promise.all(claims);
    expect(await lab.waiting()).toEqual(Array.from({ length: 10 }, (_, i) => String(i + 2)));
  });
});

describe('a server that is away', () => {
  it('is waited for at the start', async () => {
    proxy.refuse(true);
    const events: string[] = [];
    const queue = redisQueue({ ...QUICK, name: lab.name, ...throughProxy() });
    const opened = queue.open(({ type }) => events.push(type));
    await until('it is reported', () => events.includes('down'));
    proxy.refuse(false);
    await opened;
    expect(events).toEqual(['down', 'up']);
    await queue.close();
  });

  it('is no longer waited for once the queue is closed', async () => {
    proxy.refuse(true);
    const queue = redisQueue({ ...QUICK, name: lab.name, ...throughProxy() });
    const opened = queue.open();
    const refused = expect(opened).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await queue.close({ deadlineMs: 1000 });
    await refused;
  });

  it('makes claims answer with nothing, and is told of once', async () => {
    const one = await lab.open(throughProxy());
    proxy.refuse(true);
    proxy.reset();
    for (let round = 0; round < 5; round += 1) expect(await one.queue.claim(1, never)).toEqual([]);
    expect(one.count('down')).toBe(1);
    proxy.refuse(false);
    await claimUntil(one, 'it is up again', () => one.count('up') === 1);
  });

  it('never has its password told', async () => {
    const events: unknown[] = [];
    const queue = redisQueue({ ...QUICK, url: `redis://me:hunter2@127.0.0.1:${lab.server.port}/0`, name: lab.name });
    const opened = queue.open((event) => events.push(event)).catch(() => undefined);
    await until('it is refused', () => events.length > 0);
    const { error } = events[0] as { error: RunnerError };
    expect(error.message).toContain('Check the user and the password');
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('hunter2');
    await queue.close({ deadlineMs: 600 });
    await opened;
  });

  it('does not keep a queue from closing within its deadline', async () => {
    const one = await lab.open(throughProxy());
    await lab.push('a');
    await claimSome(one);
    proxy.setBlackHole(true);
    const startedAt = performance.now();
    await one.queue.close({ deadlineMs: 1000 });
    expect(performance.now() - startedAt).toBeLessThan(4000);
    // Nothing is lost: another consumer finds it.
    proxy.setBlackHole(false);
    const other = await lab.open();
    expect(await claimSome(other)).toMatchObject([{ isSuspect: true }]);
  });

  it('fails a settlement that is still owed when the queue closes, and the job runs again', async () => {
    const one = await lab.open(throughProxy());
    await lab.push('a');
    const [claim] = await claimSome(one);
    proxy.refuse(true);
    proxy.reset();
    const outcome = expect(one.queue.retry(claim!, failure)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await one.queue.close({ deadlineMs: 800 });
    await outcome;
    expect(await lab.client.lrange(await one.list(), 0, -1)).toEqual(['a']);
  });
});

describe('an answer that is late', () => {
  it('does not make a ghost of what it brings', async () => {
    const one = await lab.open({ ...throughProxy(), ...PATIENT, beatMs: 10 });
    proxy.setLatencyMs(40, 'blmove');
    for (let round = 0; round < 8; round += 1) {
      const claims = one.queue.claim(1, never);
      await untilBlocked();
      await lab.push(`${round}`);
      const claimed = await claims;
      expect(texts(claimed)).toEqual([`${round}`]);
      await one.queue.ack(claimed);
    }
    expect(one.count('adopted') + one.count('lease:lost')).toBe(0);
  });

  it('to a goodbye is waited for: nothing can be claimed after closing', async () => {
    // The lock of a look for the dead runs out by itself.
    const one = await lab.open({ ...throughProxy(), ...PATIENT, reapEveryMs: 600_000 });
    const claims = one.queue.claim(1, never);
    await untilBlocked();
    proxy.setGoodbyeMs(100);
    await one.queue.close();
    await claims;
    await lab.push('a');
    expect(await lab.waiting()).toEqual(['a']);
    expect(await lab.client.keys(`runner:{${lab.name}}:*`)).toEqual([]);
  });

  it('to a goodbye that never comes leaves the registration for the others to look after', async () => {
    const one = await lab.open({ ...throughProxy(), ...PATIENT });
    const heartbeat = await one.heartbeat();
    const claims = one.queue.claim(1, never);
    await untilBlocked();
    proxy.setGoodbyeMs(4000);
    await one.queue.close();
    await claims;
    // The server still takes the claim for waiting.
    await lab.push('stray');
    expect(await lab.waiting()).toEqual([]);
    // As when its time has run out.
    expect(await lab.client.del(heartbeat)).toBe(1);
    const other = await lab.open();
    expect(texts(await claimSome(other))).toEqual(['stray']);
  });
});

describe('connections', () => {
  it('that the server kills are made anew, all of them, and nothing is lost', async () => {
    const one = await lab.open();
    const done: string[] = [];
    const wanted = Array.from({ length: 60 }, (_, index) => `${index}`);
    for (const [index, text] of wanted.entries()) {
      await lab.push(text);
      if (index % 10 === 5) await lab.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      const claims = await one.queue.claim(4, never);
      done.push(...texts(claims));
      await one.queue.ack(claims);
    }
    await until('all are done', async () => {
      const claims = await one.queue.claim(4, never);
      done.push(...texts(claims));
      await one.queue.ack(claims);
      return (await one.queue.depth().catch(() => undefined))?.inFlight === 0 && new Set(done).size === wanted.length;
    });
    // An acknowledgement whose connection was killed isn't a reason to run the job again: the counts tell.
    expect(done.sort()).toEqual(wanted.sort());
  });

  it('on which a blocking claim gets no answer are given up in time', async () => {
    const one = await lab.open({ ...throughProxy(), claimTimeoutMs: 2000, heartbeatTtlMs: 6000 });
    const claims = one.queue.claim(1, never);
    await untilBlocked();
    proxy.setBlackHole(true);
    expect(await claims).toEqual([]);
    proxy.setBlackHole(false);
    proxy.reset();
    await lab.push('a');
    expect(texts(await claimSome(one))).toEqual(['a']);
  });

  it('to a server that pauses are kept', async () => {
    const one = await lab.open();
    await lab.push('a');
    await lab.client.call('CLIENT', 'PAUSE', '700');
    expect(texts(await claimSome(one))).toEqual(['a']);
    expect(one.count('lease:lost')).toBe(0);
  });
});

describe('a server that refuses', () => {
  it('for want of memory delays claims, while acknowledgements and beats go on', async () => {
    const one = await lab.open();
    await lab.push('a', 'b', 'c');
    const claims = await claimSome(one, 2);
    await lab.client.config('SET', 'maxmemory', '1');
    expect(await one.queue.claim(1, never)).toEqual([]);
    expect(one.events).toContainEqual({
      type: 'down',
      error: expect.objectContaining({ code: 'QUEUE_UNAVAILABLE' }) as RunnerError,
    });
    await one.queue.ack([claims[0]!]);
    expect(await lab.client.lrange(await one.list(), 0, -1)).toEqual(['b']);
    let isRetried = false;
    const retried = one.queue.retry(claims[1]!, failure).then((outcome) => {
      isRetried = true;
      return outcome;
    });
    let leftMs = Infinity;
    await until('a beat has come through', async () => {
      const beforeMs = leftMs;
      leftMs = await lab.client.pttl(await one.heartbeat());
      return leftMs > beforeMs;
    });
    expect(isRetried).toBe(false);
    expect(await lab.client.lrange(await one.list(), 0, -1)).toEqual(['b']);
    await lab.client.config('SET', 'maxmemory', '0');
    const late = await claimUntil(one, 'the retry is carried out', () => isRetried);
    expect(await retried).toMatchObject({ kind: 'scheduled', attempts: 1 });
    expect(texts(late)).toEqual(['c']);
    // Up is what everything has come through again, the look for retries among it.
    await until('it is up again', () => one.count('up') === 1);
  });

  it('because the queue is no list is told of loudly, and waited for', async () => {
    await lab.client.set(lab.name, 'a string');
    const one = await lab.open();
    expect(await one.queue.claim(1, never)).toEqual([]);
    expect(await one.queue.claim(1, never)).toEqual([]);
    expect(one.events.filter(({ type }) => type === 'down')).toMatchObject([{ error: { code: 'QUEUE_WRONG_TYPE' } }]);
    await lab.client.del(lab.name);
    await lab.push('a');
    expect(texts(await claimSome(one))).toEqual(['a']);
    expect(one.count('up')).toBe(1);
  });

  it('because the dead letters are no list keeps the element, and goes on with others', async () => {
    await lab.client.set(lab.keys.deadLetters, 'a string');
    const one = await lab.open();
    await lab.push('bad', 'good');
    const [bad] = await claimSome(one, 1);
    const buried = one.queue.bury(bad!, { error: new RunnerError('IMAGE_DECODE', 'x') });
    const good = await claimSome(one);
    expect(texts(good)).toEqual(['good']);
    await one.queue.ack(good);
    expect(await lab.client.lrange(await one.list(), 0, -1)).toEqual(['bad']);
    await lab.client.del(lab.keys.deadLetters);
    await claimUntil(one, 'it is buried', async () => (await lab.dead()).length === 1);
    await buried;
    expect(await lab.client.llen(await one.list())).toBe(0);
  });

  it('because it has become a replica is waited for', async () => {
    const one = await lab.open();
    await lab.push('a');
    const [claim] = await claimSome(one);
    await lab.client.replicaof('127.0.0.1', '1');
    const acked = one.queue.ack([claim!]);
    expect(await one.queue.claim(1, never)).toEqual([]);
    expect(one.count('down')).toBeGreaterThan(0);
    await lab.client.replicaof('NO', 'ONE');
    await acked;
    await claimUntil(
      one,
      'the acknowledgement is made good',
      async () => (await lab.client.llen(await one.list())) === 0,
    );
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });

  it('because it has lost its primary is waited for', async () => {
    const one = await lab.open();
    await lab.push('a');
    const [claim] = await claimSome(one);
    await lab.client.config('SET', 'replica-serve-stale-data', 'no');
    await lab.client.replicaof('127.0.0.1', '1');
    const acked = one.queue.ack([claim!]);
    await claimUntil(one, 'it is told', () => one.count('down') > 0);
    expect(one.events.find(({ type }) => type === 'down')).toMatchObject({
      error: { message: expect.stringMatching(/MASTERDOWN|READONLY/) as string },
    });
    await lab.client.replicaof('NO', 'ONE');
    await lab.client.config('SET', 'replica-serve-stale-data', 'yes');
    await acked;
    const isGone = async (): Promise<boolean> => (await lab.client.llen(await one.list())) === 0;
    await claimUntil(one, 'the acknowledgement is made good', isGone);
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });

  it('because it can not save is waited for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clip-runner-unsaved-'));
    const server = await startRedis({ config: { dir: folder, save: '3600 1000000' } });
    onTestFinished(() => server.stop());
    const client = server.client();
    const own = makeLab({ server, client });
    onTestFinished(() => own.tidy());
    const one = await own.open();
    await own.push('a', 'b');
    const claims = await one.queue.claim(1, never);
    await rm(folder, { recursive: true });
    await client.bgsave().catch(() => undefined);
    await until('it could not save', async () => (await client.info('persistence')).includes('bgsave_status:err'));
    const acked = one.queue.ack(claims);
    expect(await one.queue.claim(1, never)).toEqual([]);
    await until('it is told', () => one.count('down') > 0);
    expect(one.events.find(({ type }) => type === 'down')).toMatchObject({
      error: { message: expect.stringContaining('MISCONF') as string },
    });
    await client.config('SET', 'stop-writes-on-bgsave-error', 'no');
    const late = await claimUntil(one, 'it is up again', () => one.count('up') > 0);
    await acked;
    expect([...texts(late), ...texts(late.length > 0 ? [] : await claimSome(one))]).toEqual(['b']);
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });

  it('to know its scripts any more is taught them again', async () => {
    const one = await lab.open();
    await lab.push('a', 'b');
    const claims = await claimSome(one, 2);
    await one.queue.retry(claims[0]!, failure);
    await lab.client.script('FLUSH');
    await one.queue.retry(claims[1]!, failure);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(2);
  });

  it.each([
    ['allkeys-lru', 'may drop the whole queue'],
    ['volatile-lru', 'none is lost'],
  ])('to promise that it keeps what it has is warned of (%s)', async (policy, says) => {
    await lab.client.config('SET', 'maxmemory-policy', policy);
    const one = await lab.open();
    await lab.client.config('SET', 'maxmemory-policy', 'noeviction');
    expect(one.events).toMatchObject([
      { type: 'warning', message: expect.stringMatching(new RegExp(`${policy}: .*${says}`)) as string },
    ]);
  });
});

describe('a server that dies', () => {
  it('and comes back with its log has lost nothing', async () => {
    const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    onTestFinished(() => server.stop());
    const client = server.client();
    const own = makeLab({ server, client });
    const one = await own.open();
    await own.push('a', 'b', 'c');
    const claims = await one.queue.claim(2, never);
    await server.kill();
    const acked = one.queue.ack([claims[0]!]);
    await server.start();
    await acked;
    const list = await one.list();
    const isDone = async (): Promise<boolean> => (await client.lrange(list, 0, -1)).join() === 'c,b';
    const late = await claimUntil(one, 'the acknowledgement is made good', isDone);
    expect(texts(late)).toEqual(['c']);
    await one.queue.close();
    expect(await own.waiting()).toEqual(['b', 'c']);
    expect(one.count('adopted') + one.count('lease:lost')).toBe(0);
  });

  it('and reads its data for a while is waited for', async () => {
    // Half a millisecond for each key that it reads.
    const server = await startRedis({ config: { save: '3600 1000000', 'key-load-delay': '500' } });
    onTestFinished(() => server.stop());
    const client = server.client();
    const own = makeLab({ server, client });
    onTestFinished(() => own.tidy());
    const one = await own.open();
    await own.push('a', 'b');
    const claims = await one.queue.claim(1, never);
    await client.eval("for i = 1, 3000 do redis.call('SET', 'filler:' .. i, i) end", 0);
    await client.save();
    await server.kill();
    const started = server.start();
    const late = await claimUntil(one, 'it is up again', () => one.count('up') > 0);
    await started;
    await one.queue.ack(claims);
    expect(texts(late.length > 0 ? late : await claimSome(one))).toEqual(['b']);
    expect(one.count('lease:lost') + one.count('adopted')).toBe(0);
  });

  it('and comes back from an old snapshot runs again what it had forgotten of, and no more', async () => {
    const server = await startRedis({ config: { save: '3600 1000000' } });
    onTestFinished(() => server.stop());
    const client = server.client();
    const own = makeLab({ server, client });
    onTestFinished(() => own.tidy());
    const one = await own.open();
    await own.push('acked', 'buried', 'retried', 'claimed later', 'waits');
    const [acked, buried, retried] = await one.queue.claim(3, never);
    await client.save();
    await one.queue.ack([acked!]);
    await one.queue.bury(buried!, { error: new RunnerError('IMAGE_DECODE', 'x') });
    await one.queue.retry(retried!, failure);
    const later = await one.queue.claim(1, never);
    await server.kill();
    await server.start();
    const again: string[] = texts(later);
    // What was claimed after the snapshot is in the queue again, and in hand.
    await until('all has come to an end', async () => {
      for (const claim of await one.queue.claim(1, never)) {
        again.push(claim.raw.toString());
        await one.queue.ack([claim]);
      }
      return again.length >= 6;
    });
    await one.queue.ack(later);
    expect(again.sort()).toEqual(['acked', 'buried', 'claimed later', 'claimed later', 'retried', 'waits']);
    expect(await client.llen(await one.list())).toBe(0);
    expect(await own.waiting()).toEqual([]);
  });

  it('and comes back older hands out again what it had forgotten of', async () => {
    const one = await lab.open({ ...throughProxy(), ...SLOW_BEATS });
    await lab.push('a');
    const claims = await claimSome(one);
    await one.queue.ack(claims);
    // A server that went back to before the acknowledgement: the element is in the list again, and the connection is new.
    await lab.client.lpush(await one.list(), 'a');
    const connections = async (): Promise<readonly string[]> =>
      [...String(await lab.client.call('CLIENT', 'LIST')).matchAll(/^id=(\d+).* name=clip-runner/gm)].map(
        ([, id]) => id!,
      );
    const before = await connections();
    proxy.reset();
    await until('a new one stands, and none of the others', async () => {
      const now = await connections();
      return now.length > 0 && !now.some((id) => before.includes(id));
    });
    expect(before).not.toEqual([]);
    expect(texts(await claimSome(one))).toEqual(['a']);
    expect(one.count('adopted')).toBe(1);
  });

  it('and forgets everything is found again by its queue', async () => {
    const one = await lab.open();
    await lab.push('a', 'b');
    const claims = await claimSome(one, 1);
    const list = await one.list();
    await lab.client.flushall();
    await claimUntil(one, 'the loss is noticed', () => one.count('lease:lost') === 1);
    await one.queue.ack(claims);
    await lab.push('new');
    expect(texts(await claimSome(one))).toEqual(['new']);
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['new']);
  });
});
