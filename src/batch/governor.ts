import type { ProcessMemory } from '../process-memory.js';

/** From this share of the limit on batches become smaller; below the other they grow again. */
const HIGH = 0.85;
const LOW = 0.7;
/** A smaller batch shows in the memory only after a while. */
const SHRINK_EVERY_MS = 2000;
const GROW_EVERY_MS = 10_000;

/**
 * How large batches may be while memory is short: half as large each time it is found above the watermark, and twice as
 * large again when there has been room for a while. What it comes to is a decision about numbers; time comes in.
 */
export class BatchGovernor {
  readonly #most: number;
  #size: number;
  #changedAtMs = -Infinity;

  constructor(maxBatch: number) {
    this.#most = maxBatch;
    this.#size = maxBatch;
  }

  /** Items that a batch may have now, 1 to `maxBatch`. */
  get size(): number {
    return this.#size;
  }

  /** Takes note of the memory; answers whether the size has changed. */
  observe({ rssBytes, limitBytes }: ProcessMemory, nowMs: number): boolean {
    const size = this.#sizeFor(limitBytes > 0 ? rssBytes / limitBytes : 0, nowMs - this.#changedAtMs);
    if (size === this.#size) return false;
    this.#size = size;
    this.#changedAtMs = nowMs;
    return true;
  }

  #sizeFor(share: number, sinceMs: number): number {
    if (share > HIGH && sinceMs >= SHRINK_EVERY_MS) return Math.max(1, Math.floor(this.#size / 2));
    if (share < LOW && sinceMs >= GROW_EVERY_MS) return Math.min(this.#most, this.#size * 2);
    return this.#size;
  }
}
