import { RecentCount } from './recent-count.js';

/** The time whose work may be in hand. A claim takes some milliseconds at most where Redis is as near as it should be. */
const AHEAD_MS = 20;
/** The span that tells how many jobs end in that time. */
const WINDOW_MS = 100;

export interface ClaimBounds {
  /** Claims that may be held however long a job takes. */
  readonly atLeast: number;
  /** Claims that may be held however short it is. */
  readonly atMost: number;
}

/**
 * How many claims may be held at a time: as many as were done within 20 ms of late, between two bounds. Where a job takes less time
 * than the way to the queue and back, a fixed number in hand would leave the threads without work for most of that way.
 */
export class ClaimCapacity {
  readonly #bounds: ClaimBounds;
  readonly #done = new RecentCount(WINDOW_MS);

  constructor(bounds: ClaimBounds) {
    this.#bounds = bounds;
  }

  /** A job went through the models and was done. Those that need no work at all say nothing of what the next one takes. */
  countDone(nowMs: number): void {
    this.#done.add(nowMs);
  }

  at(nowMs: number): number {
    const { atLeast, atMost } = this.#bounds;
    const ahead = Math.floor(this.#done.total(nowMs) * (AHEAD_MS / WINDOW_MS));
    return Math.min(Math.max(ahead, atLeast), atMost);
  }
}
