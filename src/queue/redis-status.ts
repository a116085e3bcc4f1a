import type { Redis } from 'ioredis';

import { describeEntry } from './dead-letter-entry.js';
import { isObject, parseObject } from './dead-letter.js';
import { readEntries } from './dead-letter-scripts.js';
import type { QueueDepth } from './queue.js';
import { measureDepth } from './redis-inspection.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { runScript, script } from './redis-scripts.js';
import type { ToolLinks } from './redis-tool-link.js';

/** A consumer that is registered. What its heartbeat says is null where it has none, or one of another version. */
export interface ConsumerStatus {
  readonly id: string;
  /** False where its heartbeat has run out: what it holds is taken over within half a minute by others, where there are any. */
  readonly isAlive: boolean;
  /** Elements in its processing list. */
  readonly holds: number;
  readonly host: string | null;
  readonly pid: number | null;
  readonly version: string | null;
  readonly started: string | null;
  readonly rssBytes: number | null;
  readonly lastBeatMsAgo: number | null;
  /** How long it has had the oldest job in hand, when it beat last. */
  readonly oldestMs: number | null;
  readonly done: number | null;
  readonly retried: number | null;
  readonly buried: number | null;
  /** Over its last minute. */
  readonly donePerSecond: number | null;
}

/** One look at a queue. Times are those of the server. */
export interface QueueStatus extends QueueDepth {
  readonly queue: string;
  readonly atMs: number;
  /** When the next retry is due; in the past where nobody promotes it. */
  readonly nextRetryAtMs: number | null;
  /** SHA-1 of the element that is taken next: as long as it stays the same, nothing is claimed. */
  readonly next: string | null;
  /** When the oldest dead letter died, where its note says so. */
  readonly oldestDeadAt: string | null;
  /** The longest of the consumers' `oldestMs`. */
  readonly oldestInHandMs: number | null;
  /** Of all consumers that are alive. */
  readonly donePerSecond: number;
  readonly consumers: readonly ConsumerStatus[];
}

/** KEYS queue, retry. → time (ms), when the first retry is due ('' for none), SHA-1 of the next element ('' for none) */
const LOOK = script(`
local time = redis.call('TIME')
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
local next = redis.call('LRANGE', KEYS[1], -1, -1)[1]
return {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), due, next and redis.sha1hex(next) or ''}`);

/**
 * Looks at a queue, its consumers and its dead letters.
 * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
 */
export async function readQueueStatus({ queue: link, letters, keys }: ToolLinks): Promise<QueueStatus> {
  const depth = await measureDepth(link, letters, keys);
  const reply = await link.use((client) => runScript(client, LOOK, [keys.queue, keys.retry], []));
  const [at = '', due = '', next = ''] = (reply as readonly Buffer[]).map(String);
  const consumers = await readConsumers(link, keys);
  const alive = consumers.filter(({ isAlive }) => isAlive);
  const oldest = alive.flatMap(({ oldestMs }) => oldestMs ?? []);
  return {
    ...{ queue: keys.queue, ...depth, consumers },
    atMs: Number(at),
    nextRetryAtMs: due === '' ? null : Number(due),
    next: next === '' ? null : next,
    oldestDeadAt: await letters.use((client) => readOldestDeath(client, keys.deadLetters)),
    oldestInHandMs: oldest.length === 0 ? null : Math.max(...oldest),
    donePerSecond: Number(alive.reduce((sum, { donePerSecond }) => sum + (donePerSecond ?? 0), 0).toFixed(3)),
  };
}

async function readOldestDeath(client: Redis, deadLetters: string): Promise<string | null> {
  // Long ones are bare: nothing in them says when they died.
  const bounds = { most: 1, maxBytes: 1, longestBytes: 16 * 1024 * 1024, window: 1 };
  const { entries } = await readEntries(client, deadLetters, 0, bounds);
  const [entry] = entries;
  return Buffer.isBuffer(entry) ? (describeEntry(entry, undefined).failedAt?.toISOString() ?? null) : null;
}

async function readConsumers(link: RedisLink, keys: RedisKeys): Promise<readonly ConsumerStatus[]> {
  const ids = (await link.use((client) => client.smembers(keys.consumers))).sort();
  const replies = await link.pipeline((pipeline) => {
    for (const id of ids) pipeline.get(keys.heartbeat(id)).pttl(keys.heartbeat(id)).llen(keys.processing(id));
  });
  const answers = replies.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
  return ids.map((id, index) => {
    const [beat, leftMs, holds] = answers.slice(3 * index, 3 * index + 3);
    return describeConsumer(id, beat, Number(leftMs), Number(holds));
  });
}

/** Anybody may have written the heartbeat: what is not as it should be counts as not there. */
function describeConsumer(id: string, beat: unknown, leftMs: number, holds: number): ConsumerStatus {
  const value = typeof beat === 'string' ? parseObject(Buffer.from(beat)) : undefined;
  const facts = isObject(value) ? value : {};
  const text = (name: string): string | null => (typeof facts[name] === 'string' ? facts[name] : null);
  const number = (name: string): number | null =>
    typeof facts[name] === 'number' && Number.isFinite(facts[name]) ? facts[name] : null;
  const ttlMs = number('ttlMs');
  return {
    ...{ id, isAlive: typeof beat === 'string', holds },
    ...{ host: text('host'), pid: number('pid'), version: text('version'), started: text('started') },
    rssBytes: number('rss'),
    lastBeatMsAgo: ttlMs === null || leftMs < 0 ? null : Math.max(0, ttlMs - leftMs),
    ...{ oldestMs: number('oldestMs'), done: number('done'), retried: number('retried'), buried: number('buried') },
    donePerSecond: number('donePerSecond'),
  };
}
