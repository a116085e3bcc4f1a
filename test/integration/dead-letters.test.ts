import { randomUUID } from 'node:crypto';

import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { deadLetter, readDeadLetter, sha1Hex } from '../../src/queue/dead-letter.js';
import { deadLetters, type DeadLetterEntry, type DeadLetters } from '../../src/queue/dead-letters.js';
import { redisKeys, type RedisKeys } from '../../src/queue/redis-keys.js';
import { ulid } from '../../src/queue/ulid.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

let server: RedisServer;
let client: Redis;
let name: string;
let keys: RedisKeys;
const opened: DeadLetters[] = [];

beforeAll(async () => {
  server = await startRedis();
  client = server.client();
  return () => server.stop();
});
beforeEach(() => {
  useNewQueue();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((letters) => letters.close()));
  await client.flushall();
});

function useNewQueue(): void {
  name = `q-${randomUUID()}`;
  keys = redisKeys(name, `${name}_dlq`);
}

function open(): DeadLetters {
  const letters = deadLetters({ url: server.url, name });
  opened.push(letters);
  return letters;
}

let count = 0;
interface Death {
  readonly reason?: string;
  readonly failedAtMs?: number;
  readonly maxElementBytes?: number;
}

/** Buries an element as a runner does; answers the id of its note. */
async function die(
  raw: string | Buffer,
  { reason = 'decode', failedAtMs = Date.UTC(2026, 0, 1), maxElementBytes = 65_536 }: Death = {},
): Promise<string> {
  count += 1;
  const id = ulid(failedAtMs, Buffer.from(count.toString(16).padStart(20, '0'), 'hex'));
  const error = new RunnerError('IMAGE_DECODE', 'no picture');
  const facts = { id, queue: name, reason, error, attempts: 2, kills: 0, firstFailedAtMs: 0, failedAtMs, by: 'h:1@0' };
  const letter = deadLetter(Buffer.from(raw as string), facts, maxElementBytes);
  const both = client.multi().lpush(keys.deadLetters, letter.entry);
  if (letter.isBare) both.hset(keys.deadLetterNotes, id, JSON.stringify(letter.note));
  await both.exec();
  return id;
}

/** Oldest first. */
const dead = async (): Promise<readonly Buffer[]> => (await client.lrangeBuffer(keys.deadLetters, 0, -1)).reverse();
const waiting = async (): Promise<readonly Buffer[]> => (await client.lrangeBuffer(keys.queue, 0, -1)).reverse();
const texts = (buffers: readonly Buffer[]): readonly string[] => buffers.map(String);
const ids = async (entries: AsyncIterable<DeadLetterEntry>): Promise<readonly string[]> => {
  const found: string[] = [];
  for await (const { id } of entries) found.push(id);
  return found;
};

describe('deadLetters().entries', () => {
  it('tells what is noted of each, the oldest first', async () => {
    const id = await die('{"photo_id":9007199254740993,"path":"x"}', { reason: 'decode' });
    await die('{"type":"text_embed","request_id":"7"}', { reason: 'exhausted', failedAtMs: Date.UTC(2026, 1, 1) });
    const found = [];
    for await (const entry of open().entries()) found.push(entry);
    expect(found).toMatchObject([
      {
        id,
        reason: 'decode',
        attempts: 2,
        kills: 0,
        photoId: '9007199254740993',
        requestId: undefined,
        failedAt: new Date('2026-01-01'),
        error: { code: 'IMAGE_DECODE', message: 'no picture' },
      },
      { reason: 'exhausted', requestId: '7', photoId: undefined, failedAt: new Date('2026-02-01') },
    ]);
    expect(String(found[0]!.element)).toBe('{"photo_id":9007199254740993,"path":"x"}');
  });

  it('names an entry that no runner wrote by its SHA-1, with the reason unknown', async () => {
    const foreign = [
      '{"photo_id":3}',
      'no json',
      Buffer.from([0xff, 0x00]),
      '{"_runner":{"id":7,"reason":[]}}',
      '{"_runner":1}',
    ];
    for (const entry of foreign) await client.lpush(keys.deadLetters, entry);
    const found = [];
    for await (const entry of open().entries({ reason: 'unknown' })) found.push(entry);
    expect(found.map(({ id }) => id)).toEqual(foreign.map((entry) => sha1Hex(Buffer.from(entry as string))));
    expect(found[0]).toMatchObject({ photoId: '3', failedAt: undefined, attempts: undefined });
  });

  it('finds the note of an entry that is kept bare, also where the entry holds one of an earlier death', async () => {
    const first = await die('{"photo_id":1}');
    const [annotated] = await dead();
    await client.del(keys.deadLetters);
    const second = await die(annotated!, { maxElementBytes: 10, reason: 'too_large' });
    expect(second).not.toBe(first);
    const entry = await open().get(second);
    expect(entry).toMatchObject({ reason: 'too_large', photoId: '1' });
    expect(entry?.element).toEqual(annotated);
  });

  it('gives identical bare entries a note each', async () => {
    const both = [
      await die('x'.repeat(20), { maxElementBytes: 10 }),
      await die('x'.repeat(20), { maxElementBytes: 10 }),
    ];
    expect(await ids(open().entries())).toEqual(both);
  });

  it('looks for what is asked for: id, reason, photo, request, time', async () => {
    const times = [1, 2, 3].map((day) => Date.UTC(2026, 0, day)) as [number, number, number];
    const a = await die('{"photo_id":1}', { reason: 'decode', failedAtMs: times[0] });
    const b = await die('{"photo_id":"2"}', { reason: 'http_404', failedAtMs: times[1] });
    const c = await die('{"request_id":1}', { reason: 'decode', failedAtMs: times[2] });
    await client.lpush(keys.deadLetters, '{"photo_id":1}');
    const letters = open();
    expect(await ids(letters.entries({ id: b }))).toEqual([b]);
    expect(await ids(letters.entries({ reason: 'decode' }))).toEqual([a, c]);
    expect(await ids(letters.entries({ photoId: '2' }))).toEqual([b]);
    expect(await ids(letters.entries({ requestId: '1' }))).toEqual([c]);
    expect(await ids(letters.entries({ since: new Date(times[1]) }))).toEqual([b, c]);
    expect(await ids(letters.entries({ until: new Date(times[1]) }))).toEqual([a]);
    expect(await ids(letters.entries({ photoId: '1', reason: 'decode' }))).toEqual([a]);
  });

  it('sees each of the start once while new ones come in', async () => {
    const all = [];
    for (let photo = 0; photo < 1200; photo += 1) all.push(await die(`{"photo_id":${photo}}`));
    const found: string[] = [];
    for await (const { id } of open().entries()) {
      found.push(id);
      if (found.length % 100 === 0) await die('{"photo_id":-1}');
    }
    expect(found).toEqual(all);
  });

  it('leaves none out, and shows none twice, where others take some out in the middle of it', async () => {
    const all: string[] = [];
    for (let photo = 0; photo < 1600; photo += 1) all.push(await die(`{"photo_id":${photo}}`));
    const found: string[] = [];
    for await (const { id } of open().entries()) {
      found.push(id);
      // From among those that the reader has passed.
      if (found.length === 400) await client.ltrim(keys.deadLetters, 0, -101);
    }
    expect(found).toEqual(all);
  });

  it('does not load what is longer than 16 MiB, but get() does', async () => {
    const long = Buffer.alloc(17 * 1024 * 1024, 'x');
    const id = await die(long, { reason: 'too_large' });
    const other = await die('{"photo_id":1}');
    const letters = open();
    const found = [];
    for await (const entry of letters.entries()) found.push(entry);
    expect(found).toMatchObject([
      { id, reason: 'too_large', sizeBytes: long.length, element: undefined },
      { id: other, photoId: '1' },
    ]);
    expect((await letters.get(id))?.element?.equals(long)).toBe(true);
    expect(await letters.redrive({ id })).toBe(1);
    expect((await waiting())[0]?.equals(long)).toBe(true);
    expect(await client.hlen(keys.deadLetterNotes)).toBe(0);
    expect(await ids(letters.entries())).toEqual([other]);
  });

  it('reads nothing of a queue that has none, and says where the key is no list', async () => {
    expect(await ids(open().entries())).toEqual([]);
    await client.set(keys.deadLetters, 'x');
    await expect(ids(open().entries())).rejects.toMatchObject({ code: 'QUEUE_WRONG_TYPE' });
  });
});

describe('deadLetters().redrive', () => {
  it('gives back every byte of any element, in the order of the deaths, and forgets the counters', async () => {
    const element = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc.object({ maxDepth: 1 }).map((value) => Buffer.from(JSON.stringify(value))),
      fc.constant(Buffer.from('{"photo_id":9007199254740993 , "x":1.50}\n')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ element, isBare: fc.boolean(), isForeign: fc.boolean() }), { maxLength: 12 }),
        async (deaths) => {
          useNewQueue();
          const expected = [];
          for (const { element: raw, isBare, isForeign } of deaths) {
            // A foreign entry with a key of our own is one that a runner wrote.
            if (isForeign && !raw.includes('_runner')) await client.lpush(keys.deadLetters, raw);
            else await die(raw, { maxElementBytes: isBare ? 0 : 65_536 });
            await client.hset(keys.tries, { [sha1Hex(raw)]: 3, [`${sha1Hex(raw)}:k`]: 1, [`${sha1Hex(raw)}:t`]: 1 });
            expected.push(raw);
          }
          expect(await open().redrive()).toBe(deaths.length);
          expect(await waiting()).toEqual(expected);
          expect(await client.keys('*')).toEqual(deaths.length === 0 ? [] : [name]);
          await client.flushall();
          await Promise.all(opened.splice(0).map((letters) => letters.close()));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes those alone that match, up to the limit, the oldest first', async () => {
    for (let photo = 0; photo < 1300; photo += 1)
      await die(`{"photo_id":${photo}}`, { reason: photo % 3 === 0 ? 'decode' : 'http_404' });
    const letters = open();
    expect(await letters.redrive({ reason: 'decode' }, { limit: 300 })).toBe(300);
    expect(texts(await waiting())).toEqual(Array.from({ length: 300 }, (_, index) => `{"photo_id":${3 * index}}`));
    expect(await letters.redrive({ reason: 'decode' })).toBe(434 - 300);
    expect(await letters.redrive({ reason: 'decode' })).toBe(0);
    expect(await client.llen(keys.deadLetters)).toBe(1300 - 434);
    const left = [];
    for await (const { photoId } of letters.entries()) left.push(Number(photoId));
    expect(left).toEqual(Array.from({ length: 1300 }, (_, photo) => photo).filter((photo) => photo % 3 !== 0));
  });

  it('leaves those alone that die while it runs', async () => {
    for (let photo = 0; photo < 600; photo += 1) await die(`{"photo_id":${photo}}`);
    let again = 0;
    const onProgress = (): void => {
      again += 1;
      void die('{"photo_id":-1}');
    };
    expect(await open().redrive({}, { onProgress, perSecond: 5000 })).toBe(600);
    await expect.poll(() => client.llen(keys.deadLetters), { timeout: 60_000 }).toBe(again);
    expect(again).toBeGreaterThan(1);
  });

  it('multiplies nothing and leaves nothing where several do it at once', async () => {
    for (let photo = 0; photo < 2000; photo += 1)
      await die(`{"photo_id":${photo}}`, { reason: ['a', 'b', 'c'][photo % 3]! });
    const done = await Promise.all([
      open().redrive({ reason: 'a' }),
      open().redrive({}, { limit: 700 }),
      open().redrive(),
      open().redrive({ reason: 'b' }),
    ]);
    expect(done.reduce((sum, part) => sum + part, 0)).toBe(2000);
    const numbers = texts(await waiting()).map((text) => (JSON.parse(text) as { photo_id: number }).photo_id);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, photo) => photo));
    expect(await client.llen(keys.deadLetters)).toBe(0);
  });

  it('keeps to a rate', async () => {
    for (let photo = 0; photo < 30; photo += 1) await die(`{"photo_id":${photo}}`);
    const startMs = performance.now();
    expect(await open().redrive({}, { perSecond: 50 })).toBe(30);
    // Six groups of five: the last goes after half a second.
    expect(performance.now() - startMs).toBeGreaterThan(450);
  });

  it('ends by a signal, with what it has done', async () => {
    for (let photo = 0; photo < 30; photo += 1) await die(`{"photo_id":${photo}}`);
    const controller = new AbortController();
    const onProgress = ({ taken }: { taken: number }): void => {
      if (taken >= 5) controller.abort();
    };
    expect(await open().redrive({}, { perSecond: 50, signal: controller.signal, onProgress })).toBe(5);
    expect([(await waiting()).length, (await dead()).length]).toEqual([5, 25]);
  });

  it('changes nothing where a key is in its way or the server has no memory', async () => {
    await die('{"photo_id":1}');
    const before = await dead();
    for (const key of [keys.queue, keys.tries, keys.deadLetterNotes]) {
      await client.set(key, 'x');
      await expect(open().redrive()).rejects.toMatchObject({ code: 'QUEUE_WRONG_TYPE' });
      expect(await dead()).toEqual(before);
      await client.del(key);
    }
    await client.config('SET', 'maxmemory', '1');
    try {
      await expect(open().redrive()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
      expect(await dead()).toEqual(before);
    } finally {
      await client.config('SET', 'maxmemory', '0');
    }
    expect(await client.exists(keys.queue)).toBe(0);
    expect(await open().redrive()).toBe(1);
  });
});

describe('deadLetters().purge', () => {
  it('removes those that match, with their notes, and nothing else', async () => {
    const bare = await die('x'.repeat(20), { maxElementBytes: 10, reason: 'too_large' });
    const twin = await die('x'.repeat(20), { maxElementBytes: 10, reason: 'too_large' });
    const other = await die('{"photo_id":1}');
    const letters = open();
    expect(await letters.purge({ id: bare })).toBe(1);
    expect(await client.hkeys(keys.deadLetterNotes)).toEqual([twin]);
    expect(await ids(letters.entries())).toEqual([twin, other]);
    expect(await letters.purge({ reason: 'too_large' })).toBe(1);
    expect(await letters.purge({ reason: 'too_large' })).toBe(0);
    expect(await ids(letters.entries())).toEqual([other]);
    expect(await client.exists(keys.queue, keys.deadLetterNotes)).toBe(0);
    expect(await letters.purge()).toBe(1);
    expect(await client.keys('*')).toEqual([]);
  });
});

/** Of two multisets: what the second lacks, and what it has besides. */
function difference(
  wanted: readonly string[],
  found: readonly string[],
): { readonly missing: readonly string[]; readonly surplus: readonly string[] } {
  const surplus = [...found];
  const missing = wanted.filter((text) => {
    const place = surplus.indexOf(text);
    if (place >= 0) surplus.splice(place, 1);
    return place < 0;
  });
  return { missing, surplus };
}

describe('any interleaving of deaths, redrives, purges and claims', () => {
  it('keeps each element in one place, and running again changes nothing more', async () => {
    const reason = fc.constantFrom('a', 'b');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('die' as const), reason, isBare: fc.boolean(), photo: fc.nat(5) }),
      fc.record({ kind: fc.constant('foreign' as const), photo: fc.nat(5) }),
      fc.record({
        kind: fc.constant('redrive' as const),
        reason: fc.option(reason),
        limit: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constant('purge' as const), reason, limit: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('by-hand' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 8 }), async (rounds) => {
        useNewQueue();
        const letters = [open(), open()];
        const pushed: string[] = [];
        /** The reason of each that was purged, which its element holds, too. */
        const purged: string[] = [];
        const present = async (): Promise<readonly string[]> =>
          [...(await waiting()), ...(await dead())].map((raw) => readDeadLetter(raw).original.toString());
        for (const round of rounds) {
          // The steps of a round run at the same time, on several connections.
          await Promise.all(
            round.map(async (what, index) => {
              const own = letters[index % letters.length]!;
              if (what.kind === 'die') {
                const raw = `{"photo_id":${what.photo},"reason":"${what.reason}"}`;
                pushed.push(raw);
                await die(raw, { reason: what.reason, ...(what.isBare && { maxElementBytes: 1 }) });
              } else if (what.kind === 'foreign') {
                const raw = `{"photo_id":${what.photo}}`;
                pushed.push(raw);
                await client.lpush(keys.deadLetters, raw);
              } else if (what.kind === 'redrive') {
                await own.redrive(what.reason === null ? {} : { reason: what.reason }, { limit: what.limit });
              } else if (what.kind === 'purge') {
                const removed = await own.purge({ reason: what.reason }, { limit: what.limit });
                purged.push(...Array.from({ length: removed }, () => what.reason));
              } else {
                await client.rpoplpush(keys.deadLetters, keys.queue);
              }
            }),
          );
          const { missing, surplus } = difference(pushed, await present());
          expect(surplus).toEqual([]);
          const reasons = missing.map((text) => (JSON.parse(text) as { reason?: string }).reason);
          expect(reasons.sort()).toEqual([...purged].sort());
        }
        await letters[0]!.redrive();
        const after = await waiting();
        expect(after).toHaveLength(pushed.length - purged.length);
        expect(await letters[1]!.redrive()).toBe(0);
        expect(await waiting()).toEqual(after);
        await client.flushall();
        await Promise.all(opened.splice(0).map((one) => one.close()));
      }),
      { numRuns: 100 },
    );
  });
});
