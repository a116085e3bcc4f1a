import type { Claim } from './queue.js';

/**
 * - `inbox`:    taken, not handed out yet.
 * - `out`:      the caller has it.
 * - `settling`: the caller is done with it; its removal from the list is under way.
 * - `owed`:     its removal was asked for, but no answer came.
 * - `lost`:     another consumer has taken it over; the caller has yet to hear of it.
 */
export type HeldState = 'inbox' | 'out' | 'settling' | 'owed' | 'lost';

/** An element that this consumer holds. */
export interface Held {
  readonly id: string;
  readonly raw: Buffer;
  /** Where it was taken from; `unknown` for one that was found in the processing list. */
  origin: 'queue' | 'suspects' | 'unknown';
  state: HeldState;
  /** When this consumer took it, by `performance.now()`. */
  readonly takenAtMs: number;
}

/** What one consumer believes to hold, in the order of taking. Memory only; the truth is the processing list. */
export class ClaimBook {
  readonly #prefix: string;
  readonly #held = new Map<string, Held>();
  #count = 0;

  /** @param prefix makes the ids of claims unique among the queues of the process. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Elements held, without those that were lost. */
  get size(): number {
    return this.all().filter(({ state }) => state !== 'lost').length;
  }

  /** How long the oldest of them has been held, in milliseconds; undefined without any. */
  get oldestMs(): number | undefined {
    // In the order of taking.
    const oldest = this.all().find(({ state }) => state !== 'lost');
    return oldest && Math.round(performance.now() - oldest.takenAtMs);
  }

  all(): readonly Held[] {
    return [...this.#held.values()];
  }

  in(...states: readonly HeldState[]): readonly Held[] {
    const found: Held[] = [];
    for (const held of this.#held.values()) if (states.includes(held.state)) found.push(held);
    return found;
  }

  has(state: HeldState): boolean {
    for (const held of this.#held.values()) if (held.state === state) return true;
    return false;
  }

  add(raw: Buffer, origin: Held['origin'], takenAtMs = performance.now()): Held {
    this.#count += 1;
    const held: Held = {
      id: `${this.#prefix}-${this.#count}`,
      raw,
      origin,
      state: 'inbox',
      takenAtMs,
    };
    this.#held.set(held.id, held);
    return held;
  }

  handOut(held: Held): Claim {
    held.state = 'out';
    return Object.freeze({ id: held.id, raw: held.raw, isSuspect: held.origin === 'suspects' });
  }

  /**
   * Marks a claim as being settled. Undefined where it isn't the caller's any more: given back, settled before, or lost
   * (of which the listener has heard).
   */
  beginSettling(id: string): Held | undefined {
    const held = this.#held.get(id);
    if (held?.state === 'lost') this.remove(held);
    if (held?.state !== 'out') return undefined;
    held.state = 'settling';
    return held;
  }

  remove(held: Held): void {
    this.#held.delete(held.id);
  }

  /** Forgets everything; what the caller still has is no longer its own. */
  clear(): void {
    for (const held of this.#held.values()) held.state = 'lost';
    this.#held.clear();
  }
}
