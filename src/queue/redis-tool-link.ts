import type { RunnerError } from '../errors.js';
import { systemClock } from '../clock.js';
import { serverFinders } from './redis-finder.js';
import { RedisLink } from './redis-link.js';
import type { ResolvedRedisQueueOptions } from './redis-options.js';

/** Long dead letters take their time on the wire. */
const COMMAND_TIMEOUT_MS = 60_000;
const HANG_UP_MS = 500;

/**
 * A connection for a tool that asks and ends: unlike a runner it doesn't wait for a server that is away.
 * @throws RunnerError `QUEUE_UNAVAILABLE` after the first attempt that fails
 */
export async function openToolLink(options: ResolvedRedisQueueOptions): Promise<RedisLink> {
  const failure = new AbortController();
  const onError = (error: RunnerError): void => failure.abort(error);
  const find = serverFinders(options.servers, systemClock)(options.name);
  const link = new RedisLink({ ...options, find, clock: systemClock, commandTimeoutMs: COMMAND_TIMEOUT_MS, onError });
  try {
    await link.ready(failure.signal);
    return link;
  } catch (thrown) {
    await closeToolLink(link);
    throw thrown;
  }
}

/** Never rejects. */
export async function closeToolLink(link: RedisLink): Promise<void> {
  await link.close(HANG_UP_MS);
}
