import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { sha1Hex } from '../../src/queue/dead-letter.js';
import type { Claim } from '../../src/queue/queue.js';
import { findForgotten, pruneTries } from '../../src/queue/redis-upkeep.js';
import { plainEnvironment, Program, ROOT } from '../support/program.js';
import { type LabQueue, makeLab, never, QUICK, type RedisLab, startLabServer } from '../support/redis-lab.js';
import { until } from '../support/until.js';

let base: Awaited<ReturnType<typeof startLabServer>>;
let lab: RedisLab;

beforeAll(async () => {
  base = await startLabServer();
  return () => base.server.stop();
});
beforeEach(() => {
  lab = makeLab(base);
});
afterEach(() => lab.tidy());

const texts = (claims: readonly Claim[]): string[] => claims.map(({ raw }) => raw.toString());

/** A process with three jobs in hand; it acknowledges them when it reads a line. */
const SLEEPER = `
import { redisQueue } from '${ROOT}dist/index.js';
const { URL, NAME, OPTIONS } = process.env;
const queue = redisQueue({ ...JSON.parse(OPTIONS), url: URL, name: NAME });
await queue.open((event) => console.log(JSON.stringify(event)));
const claims = await queue.claim(3, new AbortController().signal);
console.log('claimed ' + claims.length);
process.stdin.once('data', async () => {
  await queue.ack(claims);
  console.log('acked');
  await queue.close();
  process.exit(0);
});`;

async function claimSuspect({ queue }: LabQueue): Promise<readonly Claim[]> {
  let claims: readonly Claim[] = [];
  await until('a suspect can be claimed', async () => (claims = await queue.claim(1, never)).length > 0);
  expect(claims.map(({ isSuspect }) => isSuspect)).toEqual([true]);
  return claims;
}

describe('a consumer that dies', () => {
  it('leaves its elements to the others, as suspects, oldest first and one at a time', async () => {
    await lab.leaveBehind('dead', 'a', 'b', 'b');
    const { queue, events } = await lab.open();
    const seen: string[] = [];
    while (seen.length < 3) {
      const claims = await queue.claim(5, never);
      expect(claims.length).toBeLessThanOrEqual(1);
      for (const { isSuspect } of claims) expect(isSuspect).toBe(true);
      seen.push(...texts(claims));
      await queue.ack(claims);
    }
    expect(seen).toEqual(['a', 'b', 'b']);
    expect(events).toContainEqual({ type: 'reaped', consumer: 'dead', count: 3 });
    expect(await lab.client.smembers(lab.keys.consumers)).toHaveLength(1);
  });

  it('counts as a kill of what it held, until that succeeds', async () => {
    await lab.leaveBehind('dead', 'a');
    const { queue } = await lab.open();
    let claims: readonly Claim[] = [];
    await until('the suspect can be claimed', async () => (claims = await queue.claim(1, never)).length > 0);
    expect(await lab.client.hget(lab.keys.tries, `${sha1Hex(Buffer.from('a'))}:k`)).toBe('1');
    await queue.ack(claims);
    expect(await lab.client.exists(lab.keys.tries)).toBe(0);
  });

  it('sends an element to the dead letters when it is the third to die with it', async () => {
    const poison = '{"photo_id":13}';
    const { queue } = await lab.open({ maxKills: 3 });
    for (const consumer of ['one', 'two']) {
      await lab.leaveBehind(consumer, poison);
      let claims: readonly Claim[] = [];
      await until('the suspect can be claimed', async () => (claims = await queue.claim(1, never)).length > 0);
      expect(claims[0]!.isSuspect).toBe(true);
      // Taken out of its hand, as if it had died.
      await lab.client.del(await listOf(claims));
      await queue.giveBack();
    }
    await lab.leaveBehind('three', poison);
    await until('it is dead', async () => {
      expect(await queue.claim(1, never)).toEqual([]);
      return (await lab.dead()).length === 1;
    });
    const { _runner: note } = JSON.parse((await lab.dead())[0]!) as { _runner: object };
    expect(note).toMatchObject({ reason: 'poison', kills: 3, attempts: 0, error: { code: 'JOB_POISON' } });
    expect(await lab.client.exists(lab.keys.tries)).toBe(0);
  });

  it('does not hold up the good elements that it held', async () => {
    const { queue } = await lab.open({ maxKills: 2 });
    const poisonSha = sha1Hex(Buffer.from('poison'));
    await lab.client.hset(lab.keys.tries, `${poisonSha}:k`, 1);
    await lab.leaveBehind('dead', 'good-1', 'poison', 'good-2');
    const done: string[] = [];
    await until('everything has ended', async () => {
      const claims = await queue.claim(4, never);
      done.push(...texts(claims));
      await queue.ack(claims);
      return done.length === 2 && (await lab.dead()).length === 1;
    });
    expect(done.sort()).toEqual(['good-1', 'good-2']);
  });

  it('is found although the register has lost it', async () => {
    await lab.client.lpush(lab.keys.processing('forgotten'), 'a');
    await findForgotten(lab.client, lab.keys);
    expect(await lab.client.smembers(lab.keys.consumers)).toEqual(['forgotten']);
  });

  it.each(['glob*name', 'a[b]c?', 'x\\y'])('is found under the name %s, and no other queue with it', async (name) => {
    const { redisKeys } = await import('../../src/queue/redis-keys.js');
    const keys = redisKeys(name, 'dlq');
    await lab.client.lpush(keys.processing('mine'), 'a');
    await lab.client.lpush('runner:{globXname}:p:other', 'a');
    await findForgotten(lab.client, keys);
    expect(await lab.client.smembers(keys.consumers)).toEqual(['mine']);
    await lab.client.del(keys.consumers, keys.processing('mine'), 'runner:{globXname}:p:other');
  });
});

describe('a consumer that lives', () => {
  it('keeps its claims, however often others look', async () => {
    const one = await lab.open({ heartbeatTtlMs: 4000 });
    const other = await lab.open({ reapEveryMs: 10 });
    await lab.push('a', 'b');
    const claims = await one.queue.claim(2, never);
    // Longer than its time to live: only the beats keep it.
    await sleep(5000);
    expect(await lab.client.lrange(await one.list(), 0, -1)).toEqual(['b', 'a']);
    expect(other.count('reaped')).toBe(0);
    await one.queue.ack(claims);
    expect(one.count('lease:lost')).toBe(0);
  });

  it('shows host, process, version, load and memory in its heartbeat', async () => {
    const one = await lab.open();
    await lab.push('a');
    await one.queue.claim(1, never);
    await until('a beat has told of the claim', async () => {
      const value = JSON.parse((await lab.client.get(await one.heartbeat())) ?? '{}') as Record<string, unknown>;
      if (value['inFlight'] !== 1) return false;
      expect(value).toMatchObject({
        pid: process.pid,
        version: expect.any(String) as string,
        rss: expect.any(Number) as number,
      });
      return true;
    });
    const ttl = await lab.client.pttl(await one.heartbeat());
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(1500);
  });

  it('registers again after the server has forgotten it', async () => {
    const one = await lab.open();
    const [list, heartbeat] = [await one.list(), await one.heartbeat()];
    await lab.client.del(heartbeat, lab.keys.consumers);
    await until('it is back', async () => (await lab.client.exists(heartbeat, lab.keys.consumers)) === 2);
    expect(await lab.client.exists(list)).toBe(0);
  });

  it('notices that it was taken for dead, finishes what it has, and takes nobody else’s work away', async () => {
    const one = await lab.open();
    const other = await lab.open({ reapEveryMs: 60_000 });
    await lab.push('a', 'twin', 'twin');
    const claims = await one.queue.claim(3, never);
    // As after a long pause of the process: another consumer has taken everything over.
    await lab.client.del(await one.list());
    await lab.client.lpush(lab.keys.suspects, 'a', 'twin', 'twin');
    await until('the loss is noticed', () => one.count('lease:lost') > 0);
    expect(one.events.find(({ type }) => type === 'lease:lost')).toEqual({ type: 'lease:lost', count: 3 });
    let theirs: readonly Claim[] = [];
    await until('the other has one', async () => (theirs = await other.queue.claim(1, never)).length > 0);
    await one.queue.ack(claims);
    expect(one.count('lease:lost')).toBe(1);
    expect(await lab.client.lrange(await other.list(), 0, -1)).toEqual(texts(theirs));
  });

  it('that is stopped for too long and goes on does so without harm', async () => {
    await lab.push('a', 'twin', 'twin');
    const sleeper = new Program(process.execPath, ['--input-type=module', '--eval', SLEEPER], {
      env: plainEnvironment({ URL: lab.server.url, NAME: lab.name, OPTIONS: JSON.stringify(QUICK) }),
      stdin: 'pipe',
    });
    onTestFinished(() => void sleeper.child.kill('SIGKILL'));
    await sleeper.prints(/claimed 3/);
    sleeper.child.kill('SIGSTOP');
    const other = await lab.open();
    const [first] = await claimSuspect(other);
    sleeper.child.kill('SIGCONT');
    await sleeper.prints(/"lease:lost","count":3/);
    sleeper.child.stdin?.write('go on\n');
    await sleeper.prints(/acked/);
    // It had lost them: what the other one has in hand is still there, as are the rest.
    expect(await lab.client.lrange(await other.list(), 0, -1)).toEqual(texts([first!]));
    expect(await lab.client.llen(lab.keys.suspects)).toBe(2);
    await other.queue.ack([first!]);
    for (let left = 2; left > 0; left -= 1) await other.queue.ack(await claimSuspect(other));
    expect((await sleeper.end()).ended).toBe(0);
    expect(await other.queue.depth()).toEqual({ waiting: 0, inFlight: 0, retry: 0, suspects: 0, dead: 0 });
  });

  it('says so where an acknowledgement finds nothing to remove', async () => {
    const one = await lab.open({ beatMs: 500 });
    await lab.push('a');
    const claims = await one.queue.claim(1, never);
    await lab.client.del(await one.list());
    await one.queue.ack(claims);
    expect(one.events).toContainEqual({ type: 'lease:lost', count: 1 });
  });
});

describe('an element that nobody knows of', () => {
  it('is adopted from the own list and handed out', async () => {
    const one = await lab.open();
    // As if the answer to a claim had been lost.
    await lab.client.lpush(await one.list(), 'ghost');
    await until('it is adopted', () => one.count('adopted') === 1);
    expect(texts(await one.queue.claim(5, never))).toEqual(['ghost']);
    await one.queue.close();
    expect(await lab.waiting()).toEqual(['ghost']);
  });

  it('is adopted by the next claim where it comes in while one is waiting', async () => {
    const one = await lab.open({ beatMs: 30, claimTimeoutMs: 1000, heartbeatTtlMs: 3000 });
    for (let round = 0; round < 3; round += 1) {
      const claims = one.queue.claim(1, never);
      await lab.client.lpush(await one.list(), 'ghost');
      const seen = [...(await claims), ...(await one.queue.claim(1, never))];
      expect(texts(seen)).toEqual(['ghost']);
      await one.queue.ack(seen);
    }
  });

  it('is adopted beside a twin that is held', async () => {
    const one = await lab.open();
    await lab.push('twin');
    const first = await one.queue.claim(1, never);
    await lab.client.lpush(await one.list(), 'twin');
    let second: readonly Claim[] = [];
    const claimSecond = async (): Promise<boolean> => (second = await one.queue.claim(1, never)).length > 0;
    await until('the twin is handed out', claimSecond);
    await one.queue.ack(first);
    expect(await lab.client.llen(await one.list())).toBe(1);
    await one.queue.ack(second);
    expect(await lab.client.llen(await one.list())).toBe(0);
  });

  it('is not seen where a claim is only just being answered', async () => {
    const one = await lab.open({ beatMs: 5, heartbeatTtlMs: 900 });
    for (let round = 0; round < 200; round += 1) {
      const claims = one.queue.claim(2, never);
      await lab.push(`${round}`);
      await one.queue.ack(await claims);
    }
    expect(one.count('adopted')).toBe(0);
    expect(one.count('lease:lost')).toBe(0);
  });

  it('never remains of a claim that is called off at the very moment it succeeds', async () => {
    const one = await lab.open({ claimTimeoutMs: 10_000, heartbeatTtlMs: 30_000 });
    const list = await one.list();
    for (let round = 0; round < 200; round += 1) {
      const controller = new AbortController();
      const claims = one.queue.claim(1, controller.signal);
      const pushed = await atTheSameMoment(round, () => controller.abort());
      const early = await claims;
      await pushed.push;
      // Called off or not: the element is in one hand or still waiting, and the next claim gets it.
      const late = early.length > 0 ? [] : await one.queue.claim(1, never);
      expect(texts([...early, ...late])).toEqual([`${round}`]);
      await one.queue.ack([...early, ...late]);
      expect(await lab.client.llen(list)).toBe(0);
    }
  });

  it('never remains of a claim that is interrupted by closing', async () => {
    for (let round = 0; round < 60; round += 1) {
      // The lock of a look for the dead runs out by itself.
      const one = await lab.open({ reapEveryMs: 600_000 });
      const claims = one.queue.claim(1, never);
      let closed: Promise<void> | undefined;
      const pushed = await atTheSameMoment(round, () => {
        closed = one.queue.close();
      });
      await Promise.all([claims, pushed.push, closed]);
      expect(await lab.waiting()).toEqual([`${round}`]);
      expect(await lab.client.keys(`runner:{${lab.name}}:*`)).toEqual([]);
      await lab.client.del(lab.name);
    }
  });
});

describe('the order', () => {
  it('is restored by giving back, also of many', async () => {
    const one = await lab.open();
    const all = Array.from({ length: 200 }, (_, index) => `${index}`);
    await lab.push(...all);
    await one.queue.claim(70, never);
    await one.queue.claim(80, never);
    await one.queue.close();
    expect(await lab.waiting()).toEqual(all);
  });

  it('puts a suspect back among the suspects', async () => {
    const one = await lab.open({ reapEveryMs: 60_000 });
    await lab.client.lpush(lab.keys.suspects, 's1', 's2');
    await lab.client.hset(lab.keys.tries, `${sha1Hex(Buffer.from('s1'))}:k`, 1);
    await lab.push('q1');
    await one.queue.claim(1, never);
    await one.queue.claim(1, never);
    expect(await one.queue.giveBack()).toBe(2);
    expect(await lab.client.lrange(lab.keys.suspects, 0, -1)).toEqual(['s2', 's1']);
    expect(await lab.waiting()).toEqual(['q1']);
  });

  it('lets suspects and queue take turns', async () => {
    const one = await lab.open({ reapEveryMs: 60_000 });
    const suspects = ['s1', 's2', 's3'];
    await lab.client.lpush(lab.keys.suspects, ...suspects);
    for (const text of suspects) await lab.client.hset(lab.keys.tries, `${sha1Hex(Buffer.from(text))}:k`, 1);
    await lab.push('q1', 'q2', 'q3');
    const order: string[] = [];
    while (order.length < 6) {
      const claims = await one.queue.claim(1, never);
      order.push(...texts(claims));
      await one.queue.ack(claims);
    }
    expect(order).toEqual(['s1', 'q1', 's2', 'q2', 's3', 'q3']);
  });
});

describe('closing', () => {
  it('leaves no trace of the consumer', async () => {
    // The lock of a look for the dead runs out by itself.
    const one = await lab.open({ reapEveryMs: 600_000 });
    await lab.push('a');
    await one.queue.claim(1, never);
    await one.queue.close();
    expect(await lab.client.keys(`runner:{${lab.name}}:*`)).toEqual([]);
  });
});

describe('a closed queue', () => {
  it('holds neither sockets nor timers', async () => {
    const resources = (): string => process.getActiveResourcesInfo().filter(isHandle).sort().join();
    await until('earlier tests have let go', () => !process.getActiveResourcesInfo().includes('Timeout'));
    const before = resources();
    const one = await lab.open();
    await lab.push('a', 'b');
    const claims = await one.queue.claim(2, never);
    await one.queue.ack([claims[0]!]);
    const waiting = one.queue.claim(1, never);
    expect(resources()).not.toBe(before);
    await one.queue.close();
    await waiting;
    expect(resources()).toBe(before);
  });
});

describe('failure counters', () => {
  it('that nothing has touched for three days are removed, others stay', async () => {
    const [seconds] = await lab.client.time();
    const nowMs = Number(seconds) * 1000;
    const { tries } = lab.keys;
    await lab.client.hset(tries, 'old', 3, 'old:k', 1, 'old:f', 1, 'old:t', nowMs - 73 * 3_600_000);
    await lab.client.hset(tries, 'new', 1, 'new:t', nowMs - 71 * 3_600_000);
    await pruneTries(lab.client, lab.keys);
    expect((await lab.client.hkeys(tries)).sort()).toEqual(['new', 'new:t']);
  });

  it('survive between consumers', async () => {
    const failure = { error: new RunnerError('RUN_FAILED', 'x') };
    await lab.push('a');
    for (const attempts of [1, 2]) {
      const one = await lab.open();
      let claims: readonly Claim[] = [];
      await until('the element is back', async () => (claims = await one.queue.claim(1, never)).length > 0);
      expect(await one.queue.retry(claims[0]!, failure)).toMatchObject({ attempts });
      await one.queue.close();
    }
  });
});

/** Pushes the round's number and does something else, in changing order and distance, once a claim is more or less on its way. */
async function atTheSameMoment(round: number, action: () => void): Promise<{ readonly push: Promise<void> }> {
  for (let turn = 0; turn < (round % 9) * 4; turn += 1) await nextTurn();
  const isPushFirst = round % 2 === 0;
  let push: Promise<void> | undefined;
  if (isPushFirst) push = lab.push(`${round}`);
  for (let turn = 0; turn < round % 5; turn += 1) await nextTurn();
  action();
  // In an object, so that awaiting this function doesn't await the push.
  return { push: push ?? lab.push(`${round}`) };
}

function isHandle(resource: string): boolean {
  return resource.startsWith('TCP') || resource === 'Timeout';
}

async function listOf(claims: readonly Claim[]): Promise<string> {
  for (const consumer of await lab.client.smembers(lab.keys.consumers)) {
    const list = lab.keys.processing(consumer);
    const elements = await lab.client.lrange(list, 0, -1);
    if (elements.includes(claims[0]!.raw.toString())) return list;
  }
  throw new Error('nobody holds it');
}
