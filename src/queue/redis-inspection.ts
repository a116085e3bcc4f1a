import { RunnerError } from '../errors.js';
import { evictionRisk } from './eviction.js';
import type { QueueDepth } from './queue.js';
import { isRefusal } from './redis-errors.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';

/**
 * Counts what lies where, over all consumers.
 * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
 */
export async function measureDepth(link: RedisLink, letters: RedisLink, keys: RedisKeys): Promise<QueueDepth> {
  const consumers = await link.use((client) => client.smembers(keys.consumers));
  const { outbox } = keys;
  const buried = await letters.use((client) => client.llen(keys.deadLetters));
  const leaving = outbox === undefined ? 0 : await link.use((client) => client.llen(outbox));
  const replies = await link.pipeline((pipeline) => {
    pipeline.llen(keys.queue).zcard(keys.retry).llen(keys.suspects);
    for (const consumer of consumers) pipeline.llen(keys.processing(consumer));
  });
  const [waiting = 0, retry = 0, suspects = 0, ...held] = replies.map(([error, count]) => {
    if (error) throw error;
    return Number(count);
  });
  return { waiting, retry, suspects, dead: buried + leaving, inFlight: held.reduce((sum, count) => sum + count, 0) };
}

/** Warns of a server that may throw keys away. */
export async function warnOfEviction(link: RedisLink, warn: (message: string) => void): Promise<void> {
  try {
    const info = await link.use((client) => client.info('memory'));
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
    const risk = policy === undefined ? undefined : evictionRisk(policy);
    if (risk !== undefined) warn(`Redis has maxmemory-policy ${policy}: ${risk.says}. Set it to noeviction.`);
  } catch (thrown) {
    if (!(thrown instanceof RunnerError)) throw thrown;
    // The user may lack the right to ask; a lost connection is noticed elsewhere.
    if (isRefusal(thrown.cause))
      warn(`The maxmemory-policy, which must be noeviction, can't be read. ${thrown.message}`);
  }
}
