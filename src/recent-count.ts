/** Of the window: how finely time is told apart. */
const SLOTS = 100;

interface Slot {
  readonly sinceMs: number;
  count: number;
}

/** How many of something there were within the last `windowMs`, to a hundredth of it. Takes the same room for any number. */
export class RecentCount {
  readonly #windowMs: number;
  /** The oldest first. */
  readonly #slots: Slot[] = [];
  #total = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** One more, now. */
  add(nowMs: number): void {
    this.#total += 1;
    const newest = this.#slots.at(-1);
    if (newest !== undefined && nowMs - newest.sinceMs < this.#windowMs / SLOTS) {
      newest.count += 1;
      return;
    }
    this.#slots.push({ sinceMs: nowMs, count: 1 });
    this.#forgetOld(nowMs);
  }

  total(nowMs: number): number {
    this.#forgetOld(nowMs);
    return this.#total;
  }

  #forgetOld(nowMs: number): void {
    for (let oldest = this.#slots[0]; oldest !== undefined; oldest = this.#slots[0]) {
      if (nowMs - oldest.sinceMs <= this.#windowMs) return;
      this.#total -= oldest.count;
      this.#slots.shift();
    }
  }
}
