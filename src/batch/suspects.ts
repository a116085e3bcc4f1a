/**
 * Whose fault is a crash? A pure decision, apart from processes and time.
 *
 * What a process had in hand when it died is under suspicion, and is tried again alone, one after the other, with nothing
 * else in the process: what is innocent then ends well, and what kills a process a third time is poison. While there are
 * suspects nothing else is begun, so that nobody is harmed by them.
 */
export interface Suspect {
  /** Processes that died with it in hand. */
  readonly kills: number;
}

/** Deaths from which on an item is taken for their cause; the number of the Redis queue's `maxKills`. */
export const MAX_KILLS = 3;

/** What an item is after so many deaths. */
export function judge(kills: number): 'suspect' | 'poison' {
  return kills >= MAX_KILLS ? 'poison' : 'suspect';
}

/** Items under suspicion that wait for their trial, and whose turn it is. */
export class SuspectList<Item extends Suspect> {
  #waiting: Item[] = [];
  #isTrying = false;

  get size(): number {
    return this.#waiting.length;
  }

  /** While one waits or is on trial, nothing else may be begun. */
  get isBusy(): boolean {
    return this.#isTrying || this.#waiting.length > 0;
  }

  add(item: Item): void {
    this.#waiting.push(item);
  }

  /**
   * Takes the one whose turn it is: the one with the fewest deaths, so that the innocent are not kept waiting by further
   * deaths, and of those the oldest. Its trial lasts until `endTrial()`; nobody's turn comes before that, nor while other
   * batches are `running`.
   */
  take(running: number): Item | undefined {
    if (running > 0 || this.#isTrying) return undefined;
    const fewest = Math.min(...this.#waiting.map(({ kills }) => kills));
    const index = this.#waiting.findIndex(({ kills }) => kills === fewest);
    if (index < 0) return undefined;
    this.#isTrying = true;
    return this.#waiting.splice(index, 1)[0];
  }

  endTrial(): void {
    this.#isTrying = false;
  }

  /** Takes all that wait back. */
  clear(): readonly Item[] {
    const items = this.#waiting;
    this.#waiting = [];
    return items;
  }
}
