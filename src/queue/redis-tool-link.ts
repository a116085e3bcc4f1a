import type { RunnerError } from '../errors.js';
import { systemClock } from '../clock.js';
import { serverFinders } from './redis-finder.js';
import { redisKeys, type RedisKeys } from './redis-keys.js';
import { RedisLink } from './redis-link.js';
import type { ResolvedRedisQueueOptions } from './redis-options.js';

/** Long dead letters take their time on the wire. */
const COMMAND_TIMEOUT_MS = 60_000;
const HANG_UP_MS = 500;

/**
 * The connections of a tool that asks and ends: one to the server of the queue's slot and one to that of its dead letters,
 * which is the same where they share a server or a slot. Unlike a runner a tool doesn't wait for a server that is away.
 */
export class ToolLinks {
  readonly keys: RedisKeys;
  readonly queue: RedisLink;
  readonly letters: RedisLink;
  #failure = new AbortController();
  #connecting: Promise<unknown> | undefined;

  /** Connects nothing yet. @throws RunnerError `OPTIONS_INVALID` */
  constructor(options: ResolvedRedisQueueOptions) {
    this.keys = redisKeys(options.name, options.deadLetterName, options.servers.kind === 'cluster');
    const finderOf = serverFinders(options.servers, systemClock);
    const onError = (error: RunnerError): void => this.#failure.abort(error);
    const shared = { ...options, clock: systemClock, commandTimeoutMs: COMMAND_TIMEOUT_MS, onError };
    this.queue = new RedisLink({ ...shared, find: finderOf(this.keys.queue) });
    this.letters =
      this.keys.outbox === undefined ? this.queue : new RedisLink({ ...shared, find: finderOf(this.keys.deadLetters) });
  }

  /**
   * Connects what isn't connected, also what was and broke.
   * @throws RunnerError `QUEUE_UNAVAILABLE` after the first attempt that fails
   */
  async ready(): Promise<void> {
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    await this.#connecting;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await Promise.all([this.queue.close(HANG_UP_MS), this.letters.close(HANG_UP_MS)]);
  }

  async #connect(): Promise<void> {
    this.#failure = new AbortController();
    await Promise.all([this.queue, this.letters].map((link) => link.ready(this.#failure.signal)));
  }
}
