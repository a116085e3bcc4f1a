import type { Redis } from 'ioredis';

import { RunnerError, coerceError } from '../errors.js';
import type { ClaimBook, Held } from './claim-book.js';
import type { Clock } from '../clock.js';
import type { QueueListener } from './queue.js';
import { reconcile } from './reconcile.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { ACKNOWLEDGE, GIVE_BACK_SUSPECT, runScript, TAKE } from './redis-scripts.js';
import { Turns } from './turns.js';

/** Time between attempts to carry out what the server refused. */
const REPAIR_EVERY_MS = 2000;
/** Removals that may be owed before nothing more is claimed. */
const MAX_DEBTS = 1000;
const GIVE_BACK_CHUNK = 64;

/** A removal from the list: `carryOut` on the server, then one of `finish` (undefined: an earlier try had worked) and `fail`. */
export interface Settlement<T = unknown> {
  readonly held: Held;
  readonly carryOut: (client: Redis) => Promise<T>;
  readonly finish: (result: T | undefined) => void;
  readonly fail: (error: RunnerError) => void;
  /** Of identical elements, those with the lowest rank are taken for not carried out. */
  readonly rank: 0 | 1;
}

export interface ProcessingListOptions {
  readonly link: RedisLink;
  readonly keys: RedisKeys;
  /** Key of the list. */
  readonly list: string;
  readonly book: ClaimBook;
  readonly clock: Clock;
  readonly emit: QueueListener;
  /** A removal was refused or got no answer; undefined once nothing is owed any more. */
  readonly onFault: (error: RunnerError | undefined) => void;
}

/**
 * The list in Redis that holds what this consumer has claimed, and the book that mirrors it. What changes the list goes out
 * without waiting for the answers of what went before: the server takes one after the other. List and book are compared
 * only while nothing is under way. The blocking claim has a connection of its own: while it is out, nothing is compared.
 */
export class ProcessingList {
  readonly #options: ProcessingListOptions;
  readonly #turns = new Turns();
  /** Removals without an answer. They are never sent again blindly: an identical element may have come since. */
  readonly #debts: Settlement[] = [];
  #isBlocked = false;
  #isClosed = false;
  /** When the comparison is due; undefined while there is no doubt. */
  #dueAtMs: number | undefined;

  constructor(options: ProcessingListOptions) {
    this.#options = options;
  }

  /** Something may have happened to the list that the book doesn't know. */
  doubt(): void {
    this.#dueAtMs = this.#options.clock.now();
  }

  /** While `work` runs an element may come in by itself. */
  async whileBlocked<T>(work: () => Promise<T>): Promise<T> {
    // Waits for a comparison that is under way: it would take the newcomer for a ghost.
    await this.#turns.together(() => {
      this.#isBlocked = true;
      return Promise.resolve();
    });
    try {
      return await work();
    } finally {
      this.#isBlocked = false;
    }
  }

  /** Whether the book may be wrong, or anything is owed. */
  get isInDoubt(): boolean {
    return this.#dueAtMs !== undefined;
  }

  /** Takes up to `count` elements from the right of `source` into the inbox. Answers how many suspects wait then. */
  take(source: string, count: number, origin: Held['origin']): Promise<number> {
    const { link, list, keys, book } = this.#options;
    return this.#turns.together(async () => {
      try {
        const [suspects, ...taken] = await link.use(
          (client) => runScript(client, TAKE, [source, list, keys.suspects], [count]) as Promise<[number, ...Buffer[]]>,
        );
        const takenAtMs = performance.now();
        for (const raw of taken) book.add(raw, origin, takenAtMs);
        return suspects;
      } catch (thrown) {
        // Some may have been moved all the same.
        this.doubt();
        throw thrown;
      }
    });
  }

  /** Removes finished elements and their counters at one go. */
  acknowledge(finished: readonly Held[]): Promise<void> {
    return this.#turns.together(async () => {
      const present = finished.filter((held) => held.state === 'settling');
      if (present.length === 0) return;
      let missing: ReadonlySet<Held>;
      try {
        missing = await this.#options.link.use((client) => this.#forget(client, present));
      } catch (thrown) {
        for (const held of present) this.#owe(this.#acknowledgement(held), thrown);
        return;
      }
      for (const held of present) this.#endAcknowledged(held, missing.has(held));
    });
  }

  /**
   * Carries a removal out, now or as soon as the server lets us. Resolves with its result, or with undefined where it
   * had been carried out without an answer or the element was lost.
   * @throws RunnerError `QUEUE_CLOSED` where the queue was closed first.
   */
  settle<T>(held: Held, carryOut: (client: Redis) => Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const finish = (result: T | undefined): void => {
        this.#options.book.remove(held);
        resolve(result);
      };
      // The settlement's own result comes back to it; the list only passes it on.
      const debt = { held, carryOut, finish, fail: reject, rank: 0 } as Settlement;
      void this.#turns.together(async () => {
        if (held.state !== 'settling') finish(undefined);
        else await this.#carryOut(debt);
      });
    });
  }

  /** Compares list and book where there is doubt, adopts what nobody knew of, and carries out what is owed. */
  async reconcileIfDue(): Promise<void> {
    if (this.#isDue()) {
      await this.#turns.alone(async () => {
        if (this.#isDue()) await this.#reconcile();
      });
    }
    if (this.#debts.length >= MAX_DEBTS) {
      throw new RunnerError(
        'QUEUE_UNAVAILABLE',
        `The server refuses to take ${this.#debts.length} finished jobs off the list.`,
      );
    }
  }

  /** The same from outside the claim loop: looks at the lengths first, and leaves the work to a claim that is out. */
  async check(): Promise<void> {
    const { link, list, book } = this.#options;
    await this.#turns.alone(async () => {
      // With a claim out the lengths say nothing: the next claim compares before it goes.
      if (this.#isBlocked || (await link.use((client) => client.llen(list))) !== book.size) this.doubt();
    });
    await this.reconcileIfDue();
  }

  /** Puts everything back where it came from, in its order. No claim may be out. */
  giveBack(): Promise<number> {
    const { link, list, book, keys } = this.#options;
    return this.#turns.alone(async () => {
      // What is owed is finished: it must go before the rest is given back.
      await this.#reconcile();
      try {
        let count = 0;
        for (const { raw, origin } of book.in('inbox', 'out')) {
          if (origin !== 'suspects') continue;
          count += Number(
            await link.use((client) => runScript(client, GIVE_BACK_SUSPECT, [list, keys.suspects], [raw])),
          );
        }
        for (let moved = GIVE_BACK_CHUNK; moved === GIVE_BACK_CHUNK; count += moved)
          moved = await this.#giveBackChunk();
        book.clear();
        for (const debt of this.#debts.splice(0)) debt.finish(undefined);
        return count;
      } catch (thrown) {
        this.doubt();
        throw thrown;
      }
    });
  }

  /** Nothing more will be carried out: whoever waits for it hears so. */
  close(): void {
    this.#isClosed = true;
    for (const debt of this.#debts.splice(0)) debt.fail(closedError());
  }

  #isDue(): boolean {
    return !this.#isBlocked && this.#dueAtMs !== undefined && this.#dueAtMs <= this.#options.clock.now();
  }

  async #giveBackChunk(): Promise<number> {
    const { link, list, keys } = this.#options;
    const replies = await link.pipeline((pipeline) => {
      for (let index = 0; index < GIVE_BACK_CHUNK; index += 1) pipeline.lmoveBuffer(list, keys.queue, 'LEFT', 'RIGHT');
    });
    const failure = replies.find(([error]) => error)?.[0];
    if (failure) throw failure;
    return replies.filter(([, reply]) => Buffer.isBuffer(reply)).length;
  }

  async #reconcile(): Promise<void> {
    const { link, list, book, clock } = this.#options;
    const listed = await link.use((client) => client.lrangeBuffer(list, 0, -1));
    const present = book.in('inbox', 'out', 'settling');
    const debts = this.#debts.splice(0).sort((a, b) => a.rank - b.rank);
    const { ghosts, lost, undone, done } = reconcile(
      listed,
      present.map(({ raw }) => raw),
      debts.map(({ held }) => held.raw),
    );
    for (const place of ghosts) book.add(listed[place] as Buffer, 'unknown');
    this.#lose(lost.map((place) => present[place] as Held));
    for (const place of done) debts[place]?.finish(undefined);
    if (ghosts.length > 0) this.#options.emit({ type: 'adopted', count: ghosts.length });

    this.#dueAtMs = undefined;
    for (const place of undone) await this.#carryOut(debts[place] as Settlement);
    // What the server refuses again is not asked for with every claim.
    if (this.#debts.length > 0) this.#dueAtMs = clock.now() + REPAIR_EVERY_MS;
    else this.#options.onFault(undefined);
  }

  async #carryOut(debt: Settlement): Promise<void> {
    try {
      debt.finish(await this.#options.link.use(debt.carryOut));
    } catch (thrown) {
      this.#owe(debt, thrown);
    }
  }

  #owe(debt: Settlement, thrown: unknown): void {
    if (this.#isClosed) {
      debt.fail(closedError());
      return;
    }
    debt.held.state = 'owed';
    this.#debts.push(debt);
    this.doubt();
    this.#options.onFault(coerceError(thrown));
  }

  /** Answers those that were not there. */
  async #forget(client: Redis, finished: readonly Held[]): Promise<ReadonlySet<Held>> {
    const { list, keys } = this.#options;
    const elements = finished.map(({ raw }) => raw);
    const places = (await runScript(client, ACKNOWLEDGE, [list, keys.tries], elements)) as number[];
    return new Set(places.map((place) => finished[place - 1] as Held));
  }

  #acknowledgement(held: Held): Settlement {
    return {
      held,
      rank: 1,
      carryOut: async (client) => (await this.#forget(client, [held])).has(held),
      finish: (isMissing) => this.#endAcknowledged(held, isMissing === true),
      fail: () => undefined,
    };
  }

  #endAcknowledged(held: Held, isMissing: boolean): void {
    this.#options.book.remove(held);
    if (isMissing) this.#options.emit({ type: 'lease:lost', count: 1 });
  }

  #lose(lost: readonly Held[]): void {
    if (lost.length === 0) return;
    for (const held of lost) {
      if (held.state === 'inbox') this.#options.book.remove(held);
      else held.state = 'lost';
    }
    this.#options.emit({ type: 'lease:lost', count: lost.length });
  }
}

function closedError(): RunnerError {
  return new RunnerError(
    'QUEUE_CLOSED',
    'The queue was closed before the server took the change; the job will run again.',
  );
}
