/** A run can't be interrupted, so none should take much longer than this: a stop waits for the one that is under way. */
const MAX_RUN_MS = 2000;
/** Items of a first run, when nothing has been measured. */
const FIRST_RUN = 8;
/** Weight of the newest run in the running mean. */
const NEWEST = 0.3;

/** Keeps the runs of one unit short enough to stop in between, by what its runs have taken so far. */
export class RunPace {
  #msPerItem: number | undefined;

  record(items: number, ms: number): void {
    const msPerItem = ms / Math.max(1, items);
    this.#msPerItem = this.#msPerItem === undefined ? msPerItem : this.#msPerItem * (1 - NEWEST) + msPerItem * NEWEST;
  }

  /** Items that the next run may have. */
  limit(maxBatch: number): number {
    const affordable =
      this.#msPerItem === undefined ? FIRST_RUN : Math.floor(MAX_RUN_MS / Math.max(this.#msPerItem, 0.001));
    return Math.max(1, Math.min(maxBatch, affordable));
  }
}
