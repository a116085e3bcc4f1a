/** A run can't be interrupted, so none should take much longer than this: a stop waits for the one that is under way. */
const MAX_RUN_MS = 2000;
/** Least weight of the newest run in the running mean. The first ones count as much as what came before: they warm up. */
const NEWEST = 0.3;

/**
 * Keeps the runs of one unit short enough to stop in between, by what its runs have taken so far. The first run has one item:
 * its result is there early, and nobody knows yet whether a batch takes a moment or a minute.
 */
export class RunPace {
  #msPerItem = Infinity;
  #runs = 0;

  record(items: number, ms: number): void {
    const msPerItem = ms / Math.max(1, items);
    const weight = Math.max(NEWEST, 1 / (this.#runs + 1));
    this.#msPerItem = this.#runs === 0 ? msPerItem : this.#msPerItem * (1 - weight) + msPerItem * weight;
    this.#runs += 1;
  }

  /** Items that the next run may have. */
  limit(maxBatch: number): number {
    const affordable = Math.floor(MAX_RUN_MS / Math.max(this.#msPerItem, 0.001));
    return Math.max(1, Math.min(maxBatch, affordable));
  }
}
