import { systemClock, type Clock } from '../clock.js';
import { decideBatch, measureBatch, type Batchable, type BatchLimits } from './policy.js';

/** Where batches go: how much room there is, and how to fill it. */
export interface BatchTarget<Item> {
  /** Threads that hold no batch. */
  idleThreads(): number;
  /** Batches that may be sent now. */
  freeSlots(): number;
  /** Must not throw; the target takes the items over. */
  send(items: readonly Item[]): void;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly atMs: number;
}

/**
 * Collects items of one lane and sends them in batches as the policy says. First in, first out. Bounded by its user:
 * the queue's claims are limited to the room there is, direct calls to `maxDirect`.
 */
export class Batcher<Item extends Batchable> {
  readonly #target: BatchTarget<Item>;
  #limits: BatchLimits & { readonly maxWaitMs: number };
  readonly #clock: Clock;
  #waiting: Waiting<Item>[] = [];
  #cancelTimer: (() => void) | undefined;
  #isFlushing = false;

  constructor(target: BatchTarget<Item>, limits: BatchLimits & { readonly maxWaitMs: number }, clock = systemClock) {
    this.#target = target;
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** From now on a batch has at most so many items (and per model). */
  limit(maxBatch: number): void {
    this.#limits = { ...this.#limits, maxBatch };
  }

  /** Adds items that arrived together, and sends what may be sent. */
  push(items: readonly Item[]): void {
    const atMs = this.#clock.now();
    for (const item of items) this.#waiting.push({ item, atMs });
    this.pump();
  }

  /** To be called whenever a slot of the target comes free. */
  pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    // Without these there is nothing to decide, and most calls end here.
    while (this.#waiting.length > 0 && this.#target.freeSlots() > 0) {
      const { count, isFull } = measureBatch(this.#leading(), this.#limits);
      const decision = decideBatch({
        waiting: this.#waiting.length,
        isFull,
        oldestAtMs: this.#waiting[0]?.atMs ?? 0,
        nowMs: this.#clock.now(),
        maxWaitMs: this.#limits.maxWaitMs,
        idleThreads: this.#target.idleThreads(),
        freeSlots: this.#target.freeSlots(),
        isFlushing: this.#isFlushing,
      });
      if (decision.kind === 'rest') return;
      if (decision.kind === 'wait') {
        this.#cancelTimer = this.#clock.after(decision.ms, () => this.pump());
        return;
      }
      const batch = this.#waiting.slice(0, count).map((entry) => entry.item);
      this.#waiting = this.#waiting.slice(count);
      this.#target.send(batch);
    }
  }

  /** From now on part batches go without a wait. */
  flush(): void {
    this.#isFlushing = true;
    this.pump();
  }

  /** Takes back every item that was not sent. */
  clear(): readonly Item[] {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const items = this.#waiting.map((entry) => entry.item);
    this.#waiting = [];
    return items;
  }

  *#leading(): Iterable<Item> {
    for (const entry of this.#waiting) yield entry.item;
  }
}
