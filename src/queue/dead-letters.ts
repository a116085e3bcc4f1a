import { systemClock } from '../clock.js';
import { RunnerError } from '../errors.js';
import { readDeadLetter } from './dead-letter.js';
import { DeadLetterCursor, type PlacedEntry } from './dead-letter-cursor.js';
import type { DeadLetterEntry } from './dead-letter-entry.js';
import { compileFilter, type DeadLetterFilter } from './dead-letter-filter.js';
import { readWhole, takeMatching, type DeadLetterTakeOptions } from './dead-letter-take.js';
import { resolveTakeOptions } from './dead-letter-take-options.js';
import { type RedisToolOptions, type ResolvedRedisQueueOptions, resolveRedisQueueOptions } from './redis-options.js';
import { ToolLinks } from './redis-tool-link.js';

export type { DeadLetterEntry } from './dead-letter-entry.js';
export type { DeadLetterFilter } from './dead-letter-filter.js';
export type { DeadLetterProgress, DeadLetterTakeOptions } from './dead-letter-take.js';

/** The queue whose dead letters are meant: the same as for `redisQueue()`. */
export type DeadLettersOptions = RedisToolOptions;

/** What a look through the dead letters tells besides the entries. */
export interface DeadLetterScanOptions {
  /** Called after each page of some hundred entries: how many of how many were looked at. */
  readonly onProgress?: (seen: number, total: number) => void;
}

/**
 * The dead letters of a queue. Memory is bounded, however many there are. All methods reject with `QUEUE_UNAVAILABLE`
 * where Redis is away and with `QUEUE_WRONG_TYPE` where a key is none of a queue; what was done before stays done, and
 * calling again goes on.
 */
export interface DeadLetters {
  /** For messages: the list that they lie in. */
  readonly name: string;

  /**
   * Those that match, in the order in which they died, of those that are there at the start. Entries that are taken out by
   * others meanwhile may be missing.
   */
  entries(filter?: DeadLetterFilter, options?: DeadLetterScanOptions): AsyncGenerator<DeadLetterEntry, void, undefined>;

  /** The oldest with this id, its element loaded however long it is; undefined where there is none. */
  get(id: string): Promise<DeadLetterEntry | undefined>;

  /**
   * Puts the elements of those that match back into the queue, byte for byte, in the order in which they died and as the
   * newest there; their attempts begin anew. Those that die while it runs are left alone. Answers how many it were.
   */
  redrive(filter?: DeadLetterFilter, options?: DeadLetterTakeOptions): Promise<number>;

  /** Removes those that match for good: all of them without a filter. Answers how many it were. */
  purge(filter?: DeadLetterFilter, options?: DeadLetterTakeOptions): Promise<number>;

  /** Disconnects. Idempotent; never rejects. */
  close(): Promise<void>;
}

/**
 * Opens the dead letters of a queue in Redis; connects with the first call.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function deadLetters(options: DeadLettersOptions = {}): DeadLetters {
  return new RedisDeadLetters(resolveRedisQueueOptions(options));
}

class RedisDeadLetters implements DeadLetters {
  readonly name: string;
  readonly #options: ResolvedRedisQueueOptions;
  #links: ToolLinks | undefined;
  #isClosed = false;

  constructor(options: ResolvedRedisQueueOptions) {
    this.name = options.deadLetterName;
    this.#options = options;
  }

  async *entries(
    filter: DeadLetterFilter = {},
    { onProgress }: DeadLetterScanOptions = {},
  ): AsyncGenerator<DeadLetterEntry, void, undefined> {
    for await (const { facts } of this.#scan(compileFilter(filter), onProgress)) yield facts;
  }

  async get(id: string): Promise<DeadLetterEntry | undefined> {
    const matches = compileFilter({ id });
    for await (const placed of this.#scan(matches)) {
      if (placed.bytes !== undefined) return placed.facts;
      const whole = await readWhole(await this.#open(), placed.place, placed.sha1());
      // Moved just now: the next look finds it, if it is still there.
      if (whole === undefined) return this.get(id);
      const element = placed.noteId === undefined ? readDeadLetter(whole).original : whole;
      return { ...placed.facts, element };
    }
    return undefined;
  }

  async redrive(filter: DeadLetterFilter = {}, options: DeadLetterTakeOptions = {}): Promise<number> {
    return this.#take('redrive', filter, options);
  }

  async purge(filter: DeadLetterFilter = {}, options: DeadLetterTakeOptions = {}): Promise<number> {
    return this.#take('purge', filter, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#links?.close();
  }

  async *#scan(
    matches: (entry: DeadLetterEntry) => boolean,
    onProgress?: DeadLetterScanOptions['onProgress'],
  ): AsyncGenerator<PlacedEntry, void, undefined> {
    const cursor = await DeadLetterCursor.open(await this.#open());
    for (let page = await cursor.page(); page.length > 0; page = await cursor.page()) {
      yield* page.filter(({ facts }) => matches(facts));
      cursor.advance(page, 0);
      onProgress?.(cursor.seen, cursor.total);
    }
  }

  async #take(kind: 'redrive' | 'purge', filter: DeadLetterFilter, options: DeadLetterTakeOptions): Promise<number> {
    const resolved = resolveTakeOptions(kind, options);
    const matches = compileFilter(filter);
    const links = await this.#open();
    return takeMatching({ ...resolved, links, kind, matches, clock: systemClock });
  }

  async #open(): Promise<ToolLinks> {
    if (this.#isClosed) throw new RunnerError('QUEUE_CLOSED', `The dead letters ${this.name} were closed.`);
    const links = (this.#links ??= new ToolLinks(this.#options));
    try {
      await links.ready();
      return links;
    } catch (thrown) {
      // The next call may find a server, and need not wait for that.
      if (this.#links === links) this.#links = undefined;
      await links.close();
      throw thrown;
    }
  }
}
