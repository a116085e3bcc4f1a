import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { inRedis, runJobs, type JobCase, type JobFates } from '../support/job-fates.js';
import { PhotosLab } from '../support/photos-lab.js';
import { useRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

/**
 * Rows 53 to 76 of the list of bad inputs, through a real Redis to the end of each job; a good job beside each. What the
 * parsers say of each is in test/unit/runner/photo-job.test.ts and text-job.test.ts.
 */

/** The element, and how its job ends; see `JobFates.of`. */
type Row = readonly [element: string | Buffer, fate: string, id?: string];

const good = { photo_id: 1, user_id: 1, path: 'tiny_7x5.png', tasks: ['clip'] };
const withField = (field: object): string => JSON.stringify({ ...good, ...field });
/** The element with its id spelt as it is here. */
const withId = (id: string): string => JSON.stringify(good).replace('"photo_id":1', `"photo_id":${id}`);

/** Above this an element is not parsed; the default is 64 KiB. */
const LIMIT = 2_000_000;

const ROWS: Readonly<Record<string, Row>> = {
  'row 53: not JSON': ['hello', 'P invalid'],
  'row 53: truncated JSON': ['{"photo_id":1,', 'P invalid'],
  'row 53: a byte order mark': [`\ufeff${withField({})}`, 'P invalid'],
  'row 53: a trailing comma': ['{"photo_id":1,"user_id":1,"path":"tiny_7x5.png","tasks":["clip"],}', 'P invalid'],
  'row 53: two documents': [`${withField({})}${withField({})}`, 'P invalid'],
  'row 54: an empty string': ['', 'P invalid'],
  'row 54: null': ['null', 'P invalid'],
  'row 54: true': ['true', 'P invalid'],
  'row 54: a number': ['42', 'P invalid'],
  'row 54: a string': ['"str"', 'P invalid'],
  'row 54: a list': ['[]', 'P invalid'],
  'row 55: bytes that are no text': [Buffer.from([0xff, 0xfe, 0x00, 0x7b]), 'P invalid'],
  'row 55: a text with bytes that are no UTF-8': [Buffer.from(withField({ path: '\xe9' }), 'latin1'), 'P invalid'],
  'row 55: NUL bytes': [Buffer.alloc(20), 'P invalid'],
  'row 56: an element of 10 MB (one of 512 MB, the most that Redis takes, goes the same way and needs 2 GB here)': [
    withField({ path: 'x'.repeat(10e6) }),
    'P too_large',
  ],
  'row 57: 200,000 nested lists': [
    withField({ tasks: 0 }).replace('0}', `${'['.repeat(2e5)}${']'.repeat(2e5)}}`),
    'P invalid',
  ],
  'row 57: 200,000 nested objects in a field that nobody reads': [
    withField({ photo_id: 57, more: 0 }).replace('0}', `${'{"a":'.repeat(2e5)}1${'}'.repeat(2e5)}}`),
    'OK',
    '57',
  ],
  'row 58: fields by __proto__': [
    '{"__proto__":{"photo_id":1,"path":"tiny_7x5.png","tasks":["clip"]},"user_id":1}',
    'P invalid',
  ],
  'row 58: __proto__ and constructor beside good fields': [
    `{"__proto__":{"path":"/etc/passwd"},"constructor":{"prototype":{"polluted":1}},${withField({ photo_id: 58 }).slice(1)}`,
    'OK',
    '58',
  ],
  'row 59: duplicate keys, of which the last wins': [
    `{"photo_id":1,${withField({ photo_id: 59 }).slice(1)}`,
    'OK',
    '59',
  ],
  'row 60: an id in a string': [withField({ photo_id: '60', user_id: '1' }), 'OK', '60'],
  'row 61: an id with blanks': [withId('" 12 "'), 'P invalid'],
  'row 61: a hexadecimal id': [withId('"0x10"'), 'P invalid'],
  'row 61: an id with an exponent': [withId('"1e3"'), 'P invalid'],
  'row 61: letters behind the digits': [withId('"12abc"'), 'P invalid'],
  'row 61: an empty id': [withId('""'), 'P invalid'],
  'row 61: Arabic digits': [withId('"١٢"'), 'P invalid'],
  'row 62: a negative id': [withId('-1'), 'P invalid'],
  'row 62: zero': [withId('0'), 'P invalid'],
  'row 63: a fraction': [withId('1.5'), 'P invalid'],
  'row 63: infinity': [withId('1e400'), 'P invalid'],
  'row 63: NaN': [withId('NaN'), 'P invalid'],
  'row 64: 2^53 + 1 as a number': [withId('9007199254740993'), 'P invalid'],
  'row 65: 2^53 + 1 as a string': [withId('"9007199254740993"'), 'OK', '9007199254740993'],
  'row 66: an id that would climb out of the URL': [withId('"1/../../x?y#z"'), 'P invalid'],
  'row 66: dots for an id': [withId('".."'), 'P invalid'],
  'row 67: no photo_id': ['{"user_id":1,"path":"tiny_7x5.png","tasks":["clip"]}', 'P invalid'],
  'row 67: no user_id': ['{"photo_id":1,"path":"tiny_7x5.png","tasks":["clip"]}', 'P invalid'],
  'row 67: no path': ['{"photo_id":1,"user_id":1,"tasks":["clip"]}', 'P invalid'],
  'row 68: no tasks at all': ['{"photo_id":680,"user_id":1,"path":"tiny_7x5.png"}', 'ack', '680'],
  'row 68: an empty list of tasks': [withField({ photo_id: 681, tasks: [] }), 'ack', '681'],
  'row 68: null for tasks': [withField({ photo_id: 682, tasks: null }), 'ack', '682'],
  'row 69: a string for tasks': [withField({ tasks: 'clip' }), 'P invalid'],
  'row 69: numbers for tasks': [withField({ tasks: [1, 2] }), 'P invalid'],
  'row 69: nested tasks': [withField({ tasks: [['clip']] }), 'P invalid'],
  'row 69: 100,000 tasks': [withField({ tasks: Array<string>(1e5).fill('clip') }), 'P invalid'],
  'row 70: a task that stands there twice': [withField({ photo_id: 70, tasks: ['clip', 'clip'] }), 'OK', '70'],
  'row 71: only tasks that nobody knows': [withField({ photo_id: 710, tasks: ['teleport'] }), 'ack', '710'],
  'row 71: tasks that nobody knows among others': [
    withField({ photo_id: 711, tasks: ['teleport', 'clip'] }),
    'OK',
    '711',
  ],
  'row 72: further fields': [withField({ photo_id: 72, album: { id: 3 } }), 'OK', '72'],
  'row 72: further fields of a job that fails': [
    withField({ photo_id: 72.5, album: { id: 9007199254740993n.toString() } }),
    'P invalid',
  ],
  'row 73: a text task in the queue of photos': ['{"type":"text_embed","request_id":1,"query":"a cat"}', 'P invalid'],
  'row 74: a note of an earlier death': [withField({ photo_id: 74, _runner: { v: 1, id: 'x' } }), 'OK', '74'],
  'row 75: the same element a thousand times': [withField({ photo_id: 75 }), 'OK', '75'],
};

let redis: Awaited<ReturnType<typeof useRedis>>;
let client: Redis;
let fates: JobFates;

beforeAll(async () => {
  redis = await useRedis();
  client = redis.client();
  const cases = Object.fromEntries(
    Object.entries(ROWS).map(([name, [element, , id = '0']]): [string, JobCase] => [
      name,
      { id, element: Buffer.from(element) },
    ]),
  );
  const mates = Object.keys(cases).map((_, index) => {
    const id = String(1000 + index);
    return { id, element: Buffer.from(photoJob(id, 'tiny_7x5.png')) };
  });
  const twins = Array<JobCase>(999).fill(cases['row 75: the same element a thousand times']!);
  fates = await runJobs({
    cases,
    mates: [...mates, ...twins],
    queue: inRedis(client, { url: redis.url, name: `rows_${randomUUID()}`, maxElementBytes: LIMIT }),
    runner: { models: [{ label: 'tiny', name: CLIP }], roots: [IMAGES], maxElementBytes: LIMIT, maxBatch: 32 },
  });
});
afterAll(() => redis.stop());

describe('an element of the queue', () => {
  it.each(Object.entries(ROWS))('%s', (name, [, fate]) => {
    expect(fates.of(name)).toBe(fate);
    expect(fates.deadOf(name)?.note.error.message.length ?? 0).toBeLessThan(400);
  });

  it('does no harm to those in its batch', () => {
    expect(fates.lostMates).toEqual([]);
    expect(fates.attempts.size).toBe(0);
  });

  it('row 58: changes no prototype', () => {
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('row 70: is posted once where a task stands there twice', () => {
    expect(fates.callbacksOf('row 70: a task that stands there twice')).toHaveLength(1);
  });

  it('row 73: is told where it belongs', () => {
    const note = fates.deadOf('row 73: a text task in the queue of photos')?.note;
    expect(note?.error.message).toContain('TEXT_EMBED_QUEUE_NAME');
  });

  it('row 75: is posted a thousand times where it lies there a thousand times', () => {
    expect(fates.callbacksOf('row 75: the same element a thousand times')).toHaveLength(1000);
  });
});

describe('a key that is not a list', () => {
  const lab = new PhotosLab({ CLIP_MODELS: `tiny=${CLIP}`, PROCESSING_EMBEDDING_DIM: '64', PROJECT_ROOT: IMAGES });

  it('row 76: is waited out with one complaint a second at most, and the work goes on when it is gone', async () => {
    const queue = `photos_${randomUUID()}`;
    await lab.client.set(queue, 'no list');
    const command = lab.photos({ REDIS_QUEUE_NAME: queue });
    await command.logged('Redis is down');
    const complaints = (): number => command.log.filter(({ code }) => code === 'QUEUE_WRONG_TYPE').length;
    await until('it has complained', () => complaints() > 0);
    const since = performance.now();
    const before = complaints();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(complaints() - before).toBeLessThanOrEqual(Math.ceil((performance.now() - since) / 1000) + 1);
    expect(command.child.exitCode).toBeNull();
    await lab.client.del(queue);
    await lab.client.lpush(queue, photoJob(1, 'tiny_7x5.png'));
    await lab.delivered(1);
    expect(await lab.client.llen(`${queue}_dlq`)).toBe(0);
  });
});
