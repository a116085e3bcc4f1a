import type { Redis } from 'ioredis';

import type { Clock } from '../clock.js';
import type { QueueListener } from './queue.js';
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
  /** Must not reject. */
  readonly beat: () => Promise<void>;
}

/** Starts what every consumer does beside its jobs: beat, promote, reap, and hourly tidying. */
export function startUpkeep(options: UpkeepOptions): readonly Ticker[] {
  const { link, keys, consumer, signal, emit } = options;
  const upkeep = (everyMs: number, work: (client: Redis) => Promise<void>, firstMs = everyMs): Ticker =>
    startTicker({
      ...options,
      everyMs,
      firstMs,
      jitter: 0.5,
      run: async () => {
        // What fails here fails for the beat and the claims too, which report it; the next round tries again.
        await link
          .ready(signal)
          .then(() => link.use(work))
          .catch(() => undefined);
      },
    });

  return [
    startTicker({ ...options, everyMs: options.beatMs, jitter: 0.1, run: options.beat }),
    upkeep(options.promoteEveryMs, async (client) => {
      const count = await promoteDue(client, keys);
      if (count > 0) emit({ type: 'promoted', count });
    }),
    upkeep(options.reapEveryMs, async (client) => {
      const gateMs = Math.min(MAX_REAP_GATE_MS, (options.reapEveryMs * 2) / 3);
      if (!(await passGate(client, keys.reapGate, gateMs))) return;
      for (const reaped of await reapDead(client, keys, consumer)) emit({ type: 'reaped', ...reaped });
    }),
    upkeep(
      HOUR_MS,
      async (client) => {
        if (!(await passGate(client, keys.sweepGate, HOUR_MS / 2))) return;
        await pruneTries(client, keys);
        await findForgotten(client, keys);
      },
      FIRST_SWEEP_MS,
    ),
  ];
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
