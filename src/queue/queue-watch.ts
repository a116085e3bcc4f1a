import { type RedisToolOptions, type ResolvedRedisQueueOptions, resolveRedisQueueOptions } from './redis-options.js';
import { readQueueStatus, type QueueStatus } from './redis-status.js';
import { ToolLinks } from './redis-tool-link.js';

export type { ConsumerStatus, QueueStatus } from './redis-status.js';

/** A look, and what it tells together with the one before. */
export interface QueueLook extends QueueStatus {
  /** The oldest waiting job has been the oldest for at least so long; null with the first look, and while none waits. */
  readonly nextWaitsMs: number | null;
  /** By how many a second the waiting jobs have become more (or fewer); null with the first look. */
  readonly waitingPerSecond: number | null;
}

/** Looks at one queue again and again. */
export class QueueWatch {
  readonly #options: ResolvedRedisQueueOptions;
  #links: ToolLinks | undefined;
  #last: QueueStatus | undefined;
  #nextSinceMs = 0;

  /** @throws RunnerError `OPTIONS_INVALID` */
  constructor(options: RedisToolOptions) {
    this.#options = resolveRedisQueueOptions(options);
  }

  /**
   * Connects where there is no connection; one that fails is made anew with the next look.
   * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
   */
  async look(): Promise<QueueLook> {
    try {
      this.#links ??= new ToolLinks(this.#options);
      await this.#links.ready();
      return this.#compare(await readQueueStatus(this.#links));
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /** Disconnects. Never rejects. */
  async close(): Promise<void> {
    const links = this.#links;
    this.#links = undefined;
    await links?.close();
  }

  #compare(now: QueueStatus): QueueLook {
    const last = this.#last;
    this.#last = now;
    const isSame = last !== undefined && now.next !== null && now.next === last.next;
    if (!isSame) this.#nextSinceMs = now.atMs;
    const seconds = last === undefined ? 0 : (now.atMs - last.atMs) / 1000;
    return {
      ...now,
      nextWaitsMs: last === undefined || now.next === null ? null : now.atMs - this.#nextSinceMs,
      waitingPerSecond:
        last === undefined || seconds <= 0 ? null : Number(((now.waiting - last.waiting) / seconds).toFixed(3)),
    };
  }
}
