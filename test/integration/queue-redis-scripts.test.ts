import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { sha1Hex } from '../../src/queue/dead-letter.js';
import {
  ACKNOWLEDGE,
  BURY,
  GIVE_BACK_SUSPECT,
  PROMOTE,
  REAP,
  RETRY,
  runScript,
  type Script,
  TAKE,
} from '../../src/queue/redis-scripts.js';
import { makeLab, type RedisLab, startLabServer } from '../support/redis-lab.js';

let base: Awaited<ReturnType<typeof startLabServer>>;
let lab: RedisLab;
let list: string;

beforeAll(async () => {
  base = await startLabServer();
  return () => base.server.stop();
});
beforeEach(() => {
  lab = makeLab(base);
  list = lab.keys.processing('me');
});
afterEach(async () => {
  await lab.tidy();
  await lab.client.flushall();
});

const run = async (
  script: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> => plain(await runScript(lab.client, script, keys, args));
const retry = (raw: string | Buffer, nonce: string, ...delays: readonly number[]): Promise<unknown> =>
  run(RETRY, [list, lab.keys.retry, lab.keys.tries], [raw, nonce, ...delays]);
const bury = (raw: string, ...rest: readonly string[]): Promise<unknown> =>
  run(BURY, [list, lab.keys.deadLetters, lab.keys.tries, lab.keys.deadLetterNotes], [raw, ...rest]);
const reap = (limit: number): Promise<unknown> => {
  const { heartbeat, suspects, consumers, tries } = lab.keys;
  return run(REAP, [heartbeat('me'), list, suspects, consumers, tries], ['me', limit]);
};

const take = (source: string, most: number): Promise<unknown> => run(TAKE, [source, list, lab.keys.suspects], [most]);
const acknowledge = (...elements: readonly (string | Buffer)[]): Promise<unknown> =>
  run(ACKNOWLEDGE, [list, lab.keys.tries], elements);

describe('the take script', () => {
  it('moves the oldest, as many as it is asked to, and tells how many suspects wait', async () => {
    await lab.client.lpush(lab.name, 'a', 'b', 'c');
    await lab.client.lpush(lab.keys.suspects, 'x', 'y');
    expect(await take(lab.name, 2)).toEqual([2, 'a', 'b']);
    expect(await take(lab.name, 2)).toEqual([2, 'c']);
    expect(await take(lab.name, 2)).toEqual([2]);
    expect(await take(lab.keys.suspects, 1)).toEqual([1, 'x']);
    expect(await take(lab.keys.suspects, 5)).toEqual([0, 'y']);
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['y', 'x', 'c', 'b', 'a']);
  });

  it('leaves the bytes as they are', async () => {
    const raw = Buffer.from([0x00, 0xff, 0x0a, 0x7c]);
    await lab.client.lpush(lab.name, raw);
    expect(await runScript(lab.client, TAKE, [lab.name, list, lab.keys.suspects], [8])).toEqual([0, raw]);
    expect(await lab.client.lrangeBuffer(list, 0, -1)).toEqual([raw]);
  });

  it.each(['processing list', 'suspects', 'queue'] as const)(
    'moves nothing where the %s has the wrong type',
    async (which) => {
      const { name, keys } = lab;
      const wrong = { 'processing list': list, suspects: keys.suspects, queue: name }[which];
      if (which !== 'queue') await lab.client.lpush(name, 'a');
      await lab.client.set(wrong, 'a string');
      await expect(take(name, 8)).rejects.toThrow(/WRONGTYPE/);
      if (which !== 'queue') expect(await lab.client.lrange(name, 0, -1)).toEqual(['a']);
      expect(await lab.client.get(wrong)).toBe('a string');
    },
  );

  it('moves nothing where the memory is full', async () => {
    await lab.client.lpush(lab.name, 'a');
    await lab.client.config('SET', 'maxmemory', '1');
    try {
      await expect(take(lab.name, 8)).rejects.toThrow(/OOM/);
      expect(await lab.client.lrange(lab.name, 0, -1)).toEqual(['a']);
    } finally {
      await lab.client.config('SET', 'maxmemory', '0');
    }
  });
});

describe('the acknowledge script', () => {
  it('removes one of identical elements for each that it is told of, and says what was not there', async () => {
    const raw = Buffer.from([0x00, 0xff, 0x0a]);
    await lab.client.lpush(list, 'twin', raw, 'twin', 'twin');
    expect(await acknowledge('twin', 'gone', raw, 'twin', 'gone')).toEqual([2, 5]);
    expect(await lab.client.lrange(list, 0, -1)).toEqual(['twin']);
  });

  it("forgets the counters, and nobody else's", async () => {
    await lab.client.lpush(list, 'a', 'b');
    const [a, b] = ['a', 'b'].map((raw) => sha1Hex(Buffer.from(raw)));
    await lab.client.hset(lab.keys.tries, { [a!]: 1, [`${a}:k`]: 2, [`${a}:t`]: 3, [`${a}:f`]: 4, [b!]: 5 });
    expect(await acknowledge('a')).toEqual([]);
    expect(await lab.client.hgetall(lab.keys.tries)).toEqual({ [b!]: '5' });
  });

  it('forgets the counters of a thousand at one go', async () => {
    const elements = Array.from({ length: 1000 }, (_, index) => `${index}`);
    await lab.client.lpush(list, ...elements);
    const counters = elements.map((raw) => [sha1Hex(Buffer.from(raw)), 1] as const);
    await lab.client.hset(lab.keys.tries, Object.fromEntries(counters));
    expect(await acknowledge(...elements)).toEqual([]);
    expect(await lab.client.exists(list, lab.keys.tries)).toBe(0);
  });

  it('removes what is finished although the counters have the wrong type', async () => {
    await lab.client.lpush(list, 'a');
    await lab.client.set(lab.keys.tries, 'a string');
    expect(await acknowledge('a')).toEqual([]);
    expect(await lab.client.exists(list)).toBe(0);
  });

  it('removes what is finished although the memory is full', async () => {
    await lab.client.lpush(list, 'a');
    await lab.client.hset(lab.keys.tries, sha1Hex(Buffer.from('a')), 1);
    await lab.client.config('SET', 'maxmemory', '1');
    try {
      expect(await acknowledge('a')).toEqual([]);
      expect(await lab.client.exists(list, lab.keys.tries)).toBe(0);
    } finally {
      await lab.client.config('SET', 'maxmemory', '0');
    }
  });
});

describe('the retry script', () => {
  it('does nothing the second time, also with an identical twin in the list', async () => {
    await lab.client.lpush(list, 'twin', 'twin');
    expect(await retry('twin', 'n1', 60_000)).toEqual(['scheduled', 1, 60_000]);
    expect(await retry('twin', 'n1', 60_000)).toEqual(['replay']);
    expect(await lab.client.llen(list)).toBe(1);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(1);
    expect(await lab.client.hget(lab.keys.tries, sha1Hex(Buffer.from('twin')))).toBe('1');
  });

  it('keeps two identical elements apart', async () => {
    await lab.client.lpush(list, 'twin', 'twin');
    await retry('twin', 'n1', 60_000, 60_000);
    await retry('twin', 'n2', 60_000, 60_000);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(2);
    expect(await lab.client.llen(list)).toBe(0);
  });

  it('leaves everything as it is where the attempts are spent', async () => {
    await lab.client.lpush(list, 'a');
    expect(await retry('a', 'n1')).toEqual(['spent', 1, 0, expect.stringMatching(/^\d{13}$/)]);
    expect(await lab.client.keys('*')).toEqual([list]);
  });

  it('schedules by the clock of the server', async () => {
    await lab.client.lpush(list, 'a');
    const [seconds] = await lab.client.time();
    await retry('a', 'n1', 60_000);
    const score = await lab.client.zscore(lab.keys.retry, 'n1|a');
    expect(Math.abs(Number(score) - (Number(seconds) * 1000 + 60_000))).toBeLessThan(2000);
  });

  it('finds nothing to do where the element has been taken away', async () => {
    expect(await retry('a', 'n1', 60_000)).toEqual(['absent']);
    expect(await lab.client.keys('*')).toEqual([]);
  });
});

describe('the bury script', () => {
  it('does nothing the second time, also with an identical twin in the list', async () => {
    await lab.client.lpush(list, 'twin', 'twin');
    expect(await bury('twin', 'entry-1', 'id-1')).toBe('buried');
    expect(await bury('twin', 'entry-1', 'id-1')).toBe('replay');
    expect(await lab.client.llen(list)).toBe(1);
    expect(await lab.dead()).toEqual(['entry-1']);
  });

  it('knows bare entries again by the id of their note', async () => {
    await lab.client.lpush(list, 'twin', 'twin');
    expect(await bury('twin', 'twin', 'id-1', '{"note":1}')).toBe('buried');
    expect(await bury('twin', 'twin', 'id-1', '{"note":1}')).toBe('replay');
    expect(await bury('twin', 'twin', 'id-2', '{"note":2}')).toBe('buried');
    expect(await lab.dead()).toEqual(['twin', 'twin']);
    expect(await lab.client.hgetall(lab.keys.deadLetterNotes)).toEqual({ 'id-1': '{"note":1}', 'id-2': '{"note":2}' });
  });

  it('forgets the counters', async () => {
    await lab.client.lpush(list, 'a');
    const sha1 = sha1Hex(Buffer.from('a'));
    await lab.client.hset(lab.keys.tries, { [sha1]: 1, [`${sha1}:k`]: 2, [`${sha1}:t`]: 3, [`${sha1}:f`]: 4 });
    await bury('a', 'entry', 'id');
    expect(await lab.client.exists(lab.keys.tries)).toBe(0);
  });
});

describe('the promote script', () => {
  it('moves what is due, bytes unchanged, and leaves the rest', async () => {
    const raw = Buffer.from([0x7c, 0x00, 0xff, 0x7c, 0x0a]);
    await lab.client.zadd(lab.keys.retry, 1, Buffer.concat([Buffer.from('nonce|'), raw]));
    await lab.client.zadd(lab.keys.retry, 9e15, 'nonce|later');
    expect(await run(PROMOTE, [lab.keys.retry, lab.name], [100])).toBe(1);
    expect(await lab.client.lrangeBuffer(lab.name, 0, -1)).toEqual([raw]);
    expect(await lab.client.zrangebyscore(lab.keys.retry, '-inf', '+inf')).toEqual(['nonce|later']);
  });

  it('moves no more than it is asked to', async () => {
    for (const member of ['n|a', 'n|b', 'n|c']) await lab.client.zadd(lab.keys.retry, 1, member);
    expect(await run(PROMOTE, [lab.keys.retry, lab.name], [2])).toBe(2);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(1);
  });
});

describe('the reap script', () => {
  it('leaves a consumer alone whose heart beats', async () => {
    await lab.client.lpush(list, 'a');
    await lab.client.set(lab.keys.heartbeat('me'), 'x');
    expect(await reap(100)).toBe(-1);
    expect(await lab.client.llen(list)).toBe(1);
  });

  it('moves in portions, and strikes the consumer off when nothing is left', async () => {
    await lab.client.lpush(list, 'a', 'b', 'a');
    await lab.client.sadd(lab.keys.consumers, 'me');
    expect(await reap(2)).toBe(2);
    expect(await lab.client.scard(lab.keys.consumers)).toBe(1);
    expect(await reap(2)).toBe(1);
    expect(await lab.client.scard(lab.keys.consumers)).toBe(0);
    expect(await reap(2)).toBe(0);
    expect(await lab.client.lrange(lab.keys.suspects, 0, -1)).toEqual(['a', 'b', 'a']);
  });

  it('counts one kill for one consumer, however many identical elements it held', async () => {
    await lab.client.lpush(list, 'twin', 'a', 'twin', 'twin');
    expect(await reap(100)).toBe(4);
    const kills = (raw: string) => lab.client.hget(lab.keys.tries, `${sha1Hex(Buffer.from(raw))}:k`);
    expect([await kills('twin'), await kills('a')]).toEqual(['1', '1']);
  });
});

describe('every script', () => {
  const steps: readonly [string, () => Promise<unknown>, () => readonly string[]][] = [
    ['retry', () => retry('a', 'n', 1000), () => [lab.keys.retry, lab.keys.tries]],
    ['bury', () => bury('a', 'entry', 'id'), () => [lab.keys.deadLetters, lab.keys.tries]],
    [
      'bury bare',
      () => bury('a', 'a', 'id', 'note'),
      () => [lab.keys.deadLetters, lab.keys.tries, lab.keys.deadLetterNotes],
    ],
    ['reap', () => reap(10), () => [lab.keys.suspects, lab.keys.tries]],
    ['give back a suspect', () => run(GIVE_BACK_SUSPECT, [list, lab.keys.suspects], ['a']), () => [lab.keys.suspects]],
  ];

  it.each(steps)('leaves the element in its list where another key has the wrong type: %s', async (_, step, others) => {
    for (const key of others()) {
      await lab.client.flushall();
      await lab.client.lpush(list, 'a');
      await lab.client.set(key, 'a string');
      await expect(step()).rejects.toThrow(/WRONGTYPE/);
      expect(await lab.client.lrange(list, 0, -1)).toEqual(['a']);
      expect((await lab.client.keys('*')).sort()).toEqual([list, key].sort());
    }
  });

  it.each(steps)('leaves the element in its list where the memory is full: %s', async (_, step) => {
    await lab.client.lpush(list, 'a');
    await lab.client.config('SET', 'maxmemory', '1');
    try {
      await expect(step()).rejects.toThrow(/OOM/);
      expect(await lab.client.lrange(list, 0, -1)).toEqual(['a']);
      expect(await lab.client.keys('*')).toEqual([list]);
    } finally {
      await lab.client.config('SET', 'maxmemory', '0');
    }
  });

  it('keeps retries that cannot go back because the queue has the wrong type', async () => {
    await lab.client.zadd(lab.keys.retry, 1, 'n|a');
    await lab.client.set(lab.name, 'a string');
    await expect(run(PROMOTE, [lab.keys.retry, lab.name], [10])).rejects.toThrow(/WRONGTYPE/);
    expect(await lab.client.zcard(lab.keys.retry)).toBe(1);
  });

  it('is sent again as text where the server has forgotten it', async () => {
    await lab.client.script('FLUSH');
    await lab.client.lpush(list, 'a');
    expect(await retry('a', 'n', 1000)).toEqual(['scheduled', 1, 1000]);
    await lab.client.script('FLUSH');
    await lab.client.lpush(list, 'a');
    expect(await bury('a', 'entry', 'id')).toBe('buried');
  });
});

/** Replies with their Buffers as text. */
function plain(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(plain) : reply;
}
