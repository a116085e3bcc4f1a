import type { Clock } from '../clock.js';
import { takeEntries, type TakeItem } from './dead-letter-scripts.js';
import { ForeignTaker } from './foreign-letter-taker.js';
import type { ToolLinks } from './redis-tool-link.js';

/** What becomes of dead letters that are taken out: their elements go back into the queue, or nowhere. */
export type TakeKind = 'redrive' | 'purge';

/** How a group of dead letters is taken out, which depends on where they lie. */
export interface LetterTaker {
  /** Most entries of a group. */
  readonly groupEntries: number;

  /**
   * Takes them out, from the first on, until one is not in its place. Answers how many; fewer, or none, also where `signal`
   * aborts while others are waited for.
   */
  take(kind: TakeKind, items: readonly TakeItem[], signal: AbortSignal): Promise<number>;
}

/** For the dead letters of one queue. */
export function makeTaker(links: ToolLinks, clock: Clock): LetterTaker {
  return links.keys.outbox === undefined ? new OwnTaker(links) : new ForeignTaker(links, clock);
}

/** Queue and dead letters share a slot: a group is one step on the server, which does nothing else meanwhile. */
class OwnTaker implements LetterTaker {
  readonly groupEntries = 500;
  readonly #links: ToolLinks;

  constructor(links: ToolLinks) {
    this.#links = links;
  }

  async take(kind: TakeKind, items: readonly TakeItem[]): Promise<number> {
    const { queue, keys } = this.#links;
    return queue.use((client) => takeEntries(client, keys, kind, items));
  }
}
