import type { Redis } from 'ioredis';

import type { Clock } from '../clock.js';
import { coerceError } from '../errors.js';
import type { HealthPart, QueueHealth } from './queue-health.js';
import type { QueueListener } from './queue.js';
import { isRefusal } from './redis-errors.js';
import type { Outbox } from './redis-outbox.js';
import { type RedisKeys, scanPattern, triesFields } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { PROMOTE, REAP, runScript } from './redis-scripts.js';
import { startTicker, type Ticker } from './ticker.js';

const CHUNK = 100;
/** More than a consumer holds, so that identical elements come in one portion, which counts them as one. */
const REAP_CHUNK = 1000;
/** Counters that nothing has touched for so long belong to elements that are gone. */
const TRIES_KEPT_MS = 72 * 3_600_000;

const HOUR_MS = 3_600_000;
const FIRST_SWEEP_MS = 60_000;
const MAX_REAP_GATE_MS = 10_000;

export interface UpkeepOptions {
  readonly link: RedisLink;
  readonly keys: RedisKeys;
  readonly consumer: string;
  readonly beatMs: number;
  readonly promoteEveryMs: number;
  readonly reapEveryMs: number;
  readonly random: () => number;
  readonly clock: Clock;
  /** Ends waits for the server. */
  readonly signal: AbortSignal;
  readonly emit: QueueListener;
  readonly health: QueueHealth;
  readonly outbox: Outbox;
  /** Must not reject. */
  readonly beat: () => Promise<void>;
}

interface Chore {
  /** Undefined: too rare to be waited for when it has failed. */
  readonly part: HealthPart | undefined;
  readonly everyMs: number;
  readonly firstMs?: number;
  /** Answers false where it was another runner's turn. */
  readonly work: () => Promise<boolean>;
}

/** Starts what every consumer does beside its jobs: beat, promote, reap, send dead letters on, and hourly tidying. */
export function startUpkeep(options: UpkeepOptions): readonly Ticker[] {
  const { keys, outbox, signal, promoteEveryMs } = options;
  const chores = [promote(options), reap(options), sweep(options)].map((chore) =>
    startTicker({ ...options, ...chore, jitter: 0.5, run: () => carryOut(chore, options) }),
  );
  const beat = startTicker({ ...options, everyMs: options.beatMs, jitter: 0.1, run: options.beat });
  if (keys.outbox === undefined) return [beat, ...chores];
  const chore: Chore = { part: 'outbox', everyMs: promoteEveryMs, firstMs: 1, work: () => outbox.flush(signal) };
  return [beat, ...chores, startTicker({ ...options, ...chore, jitter: 0.5, run: () => carryOut(chore, options) })];
}

/** One round; never rejects. The next one tries again. */
async function carryOut({ part, work }: Chore, { link, signal, health, emit }: UpkeepOptions): Promise<void> {
  try {
    await link.ready(signal);
    const wasOurs = await work();
    if (wasOurs && part) health.succeed(part);
  } catch (thrown) {
    const error = coerceError(thrown, 'QUEUE_UNAVAILABLE');
    // A lost connection fails for the beat and the claims too, which report it. A right that is missing may fail here only.
    if (!isRefusal(error.cause)) return;
    if (part) health.fail(part, error);
    else emit({ type: 'warning', message: error.message });
  }
}

function promote({ link, keys, promoteEveryMs, emit }: UpkeepOptions): Chore {
  return {
    part: 'promote',
    everyMs: promoteEveryMs,
    work: async () => {
      const count = await link.use((client) => promoteDue(client, keys));
      if (count > 0) emit({ type: 'promoted', count });
      return true;
    },
  };
}

function reap({ link, keys, reapEveryMs, consumer, emit }: UpkeepOptions): Chore {
  return {
    part: 'reap',
    everyMs: reapEveryMs,
    work: () =>
      link.use(async (client) => {
        const gateMs = Math.min(MAX_REAP_GATE_MS, (reapEveryMs * 2) / 3);
        if (!(await passGate(client, keys.reapGate, gateMs))) return false;
        for (const reaped of await reapDead(client, keys, consumer)) emit({ type: 'reaped', ...reaped });
        return true;
      }),
  };
}

function sweep({ link, keys }: UpkeepOptions): Chore {
  return {
    part: undefined,
    everyMs: HOUR_MS,
    firstMs: FIRST_SWEEP_MS,
    work: () =>
      link.use(async (client) => {
        if (!(await passGate(client, keys.sweepGate, HOUR_MS / 2))) return false;
        await pruneTries(client, keys);
        await findForgotten(client, keys);
        return true;
      }),
  };
}

/** Moves what is due in the retry set back into the queue. Any number of consumers may do so at the same time. */
export async function promoteDue(client: Redis, keys: RedisKeys): Promise<number> {
  let count = 0;
  for (let moved = CHUNK; moved === CHUNK; count += moved) {
    moved = Number(await runScript(client, PROMOTE, [keys.retry, keys.queue], [CHUNK]));
  }
  return count;
}

/** True for the one consumer of a fleet that may do something in the next `ms` milliseconds. */
async function passGate(client: Redis, gate: string, ms: number): Promise<boolean> {
  return (await client.set(gate, '1', 'PX', Math.max(1, Math.round(ms)), 'NX')) === 'OK';
}

/** Moves what dead consumers held to the suspects. Answers how much of whom. */
export async function reapDead(
  client: Redis,
  keys: RedisKeys,
  self: string,
): Promise<readonly { readonly consumer: string; readonly count: number }[]> {
  const others = (await client.smembers(keys.consumers)).filter((consumer) => consumer !== self);
  const reaped = [];
  for (const consumer of others) {
    if ((await client.exists(keys.heartbeat(consumer))) === 1) continue;
    const count = await reapOne(client, keys, consumer);
    if (count > 0) reaped.push({ consumer, count });
  }
  return reaped;
}

async function reapOne(client: Redis, keys: RedisKeys, consumer: string): Promise<number> {
  const scriptKeys = [keys.heartbeat(consumer), keys.processing(consumer), keys.suspects, keys.consumers, keys.tries];
  let count = 0;
  for (let moved = REAP_CHUNK; moved === REAP_CHUNK;) {
    moved = Number(await runScript(client, REAP, scriptKeys, [consumer, REAP_CHUNK]));
    // -1: it has come back to life.
    count += Math.max(0, moved);
  }
  return count;
}

/** Removes counters that nothing has touched for three days. */
export async function pruneTries(client: Redis, keys: RedisKeys): Promise<void> {
  const [seconds] = await client.time();
  const oldest = Number(seconds) * 1000 - TRIES_KEPT_MS;
  let cursor = '0';
  do {
    const [next, entries] = await client.hscan(keys.tries, cursor, 'MATCH', '*:t', 'COUNT', 1000);
    cursor = next;
    for (let index = 0; index < entries.length; index += 2) {
      const sha1 = (entries[index] ?? '').slice(0, -2);
      if (Number(entries[index + 1]) < oldest) await client.hdel(keys.tries, ...triesFields(sha1));
    }
  } while (cursor !== '0');
}

/** Puts consumers back on the register that hold something but aren't on it: the reaper then sees to them. */
export async function findForgotten(client: Redis, keys: RedisKeys): Promise<void> {
  const prefix = keys.processing('');
  let cursor = '0';
  do {
    const [next, found] = await client.scan(cursor, 'MATCH', scanPattern(prefix), 'COUNT', 1000);
    cursor = next;
    if (found.length > 0) await client.sadd(keys.consumers, ...found.map((key) => key.slice(prefix.length)));
  } while (cursor !== '0');
}
