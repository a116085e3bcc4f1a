import type { Redis } from 'ioredis';

import { coerceError } from '../errors.js';
import type { ClaimBook, Held } from './claim-book.js';
import { ClaimEnd } from './claim-end.js';
import type { Clock } from '../clock.js';
import type { ProcessingList } from './processing-list.js';
import type { Claim } from './queue.js';
import type { QueueHealth } from './queue-health.js';
import { isRefusal, queueError } from './redis-errors.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import type { RedisSettler } from './redis-settler.js';
import type { Registration } from './redis-registration.js';
import { backoffMs } from './retry-policy.js';
import { anySignal, orAbort, pause, within } from './waiting.js';

/** How much longer than the server's own timeout we wait for a blocking claim to come back. */
const WATCHDOG_MS = 2000;
const HANG_UP_MS = 1000;
/** Redis before 7 takes a timeout that rounds to zero for "wait for ever". */
const MIN_BLOCK_MS = 10;
/** While a suspect is in hand the next one waits for it, so a claim that finds nothing else must not block for long. */
const SUSPECT_POLL_MS = 50;
const MAX_TAKE = 256;
const BACKOFF = { backoffBaseMs: 100, backoffMaxMs: 5000 };

export interface ClaimerOptions {
  readonly commands: RedisLink;
  readonly blocking: RedisLink;
  readonly where: string;
  readonly keys: RedisKeys;
  /** Key of the processing list. */
  readonly list: string;
  readonly book: ClaimBook;
  readonly processing: ProcessingList;
  readonly registration: Registration;
  readonly settler: RedisSettler;
  readonly health: QueueHealth;
  readonly claimTimeoutMs: number;
  readonly maxKills: number;
  readonly random: () => number;
  readonly clock: Clock;
}

/** Takes elements: from the inbox, from the suspects, from the queue, in this order. */
export class RedisClaimer {
  readonly #options: ClaimerOptions;
  #failures = 0;
  #wasSuspect = false;
  /** As the server last said; undefined where that is too long ago. */
  #suspectsLeft: number | undefined;
  /** Until then a blocking claim that we gave up without a goodbye may still be carried out. */
  #strayUntilMs = -Infinity;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  get mayHaveStray(): boolean {
    return this.#options.clock.now() < this.#strayUntilMs;
  }

  /**
   * More of the queue while `claim()` is under way, so that the two waits are one; nothing where the queue has no more, or what
   * stands in the way is for `claim()` to wait out or to report.
   */
  async claimBeside(max: number, callers: readonly AbortSignal[]): Promise<readonly Claim[]> {
    const { commands, processing, book } = this.#options;
    const isCalledOff = (): boolean => callers.some(({ aborted }) => aborted);
    if (processing.isInDoubt || !commands.isReady || isCalledOff()) return [];
    const count = Math.min(max, MAX_TAKE);
    await this.#takeQueued(count).catch(() => undefined);
    if (isCalledOff()) return [];
    const claims: Claim[] = [];
    for (const held of book.in('inbox')) {
      if (claims.length === count) break;
      if (held.origin === 'queue') claims.push(book.handOut(held));
    }
    return claims;
  }

  /** See `Queue.claim`; any of the signals calls it off. One at a time. */
  async claim(max: number, signals: readonly AbortSignal[]): Promise<readonly Claim[]> {
    const { clock, claimTimeoutMs, health, random } = this.#options;
    const end = new ClaimEnd(signals, claimTimeoutMs, clock);
    try {
      while (!end.isOver()) {
        try {
          const claims = await this.#attempt(max, end);
          this.#failures = 0;
          health.succeed('claim');
          return claims;
        } catch (thrown) {
          if (end.isOver()) break;
          this.#failures += 1;
          health.fail('claim', coerceError(thrown, 'QUEUE_UNAVAILABLE'));
          await pause(backoffMs(this.#failures, BACKOFF, random), end.signal, clock);
        }
      }
      return [];
    } finally {
      end.dispose();
    }
  }

  async #attempt(max: number, end: ClaimEnd): Promise<readonly Claim[]> {
    const { commands, blocking, registration, processing, book } = this.#options;
    if (!commands.isReady) await commands.ready(end.signal);
    await registration.ensure();
    await processing.reconcileIfDue();

    const count = Math.min(max, MAX_TAKE);
    const isEmpty = (): boolean => !book.has('inbox');
    // Every other claim takes from the suspects first, so that many of them don't starve the queue.
    const isSuspectsTurn = !this.#wasSuspect;
    if (isEmpty() && isSuspectsTurn) await this.#takeSuspect();
    if (isEmpty()) await this.#takeQueued(count);
    if (isEmpty()) await this.#takeSuspect();
    if (isEmpty()) {
      const client = await blocking.ready(end.signal);
      await this.#block(client, end);
      this.#suspectsLeft = undefined;
      if (!isEmpty() && !end.isCalledOff() && count > 1) await this.#topUp(count - 1);
    }
    return this.#handOut(max, end);
  }

  /** More of the same batch; without them there is still the first one. */
  async #topUp(count: number): Promise<void> {
    await this.#takeQueued(count).catch((thrown: unknown) => {
      this.#options.health.fail('claim', coerceError(thrown));
    });
  }

  async #takeQueued(count: number): Promise<void> {
    const { processing, keys } = this.#options;
    this.#suspectsLeft = await processing.take(keys.queue, count, 'queue');
  }

  /** At most one suspect at a time; none where the server has just said that there is none. */
  async #takeSuspect(): Promise<void> {
    const { processing, keys } = this.#options;
    if (this.#suspectsLeft === 0 || this.#hasSuspect()) return;
    this.#suspectsLeft = await processing.take(keys.suspects, 1, 'suspects');
  }

  #hasSuspect(): boolean {
    return this.#options.book.in('out', 'settling', 'owed').some(({ origin }) => origin === 'suspects');
  }

  /** Waits on the server until an element comes into the list, into the inbox. */
  async #block(client: Redis, end: ClaimEnd): Promise<void> {
    const { keys, list, book, processing, clock, where } = this.#options;
    const leftMs = Math.max(MIN_BLOCK_MS, Math.round(end.untilMs - clock.now()));
    const timeoutMs = this.#hasSuspect() ? Math.min(leftMs, SUSPECT_POLL_MS) : leftMs;
    await processing.whileBlocked(async () => {
      if (end.isCalledOff()) return;
      const reply = client.blmoveBuffer(keys.queue, list, 'RIGHT', 'LEFT', timeoutMs / 1000);
      try {
        const raw = await this.#watch(reply, client, timeoutMs, end);
        if (raw) book.add(raw, 'queue');
      } catch (thrown) {
        // The element may have been moved all the same: compare before anything else is claimed.
        processing.doubt();
        throw queueError(thrown, where);
      }
    });
  }

  async #watch(reply: Promise<Buffer | null>, client: Redis, timeoutMs: number, end: ClaimEnd): Promise<Buffer | null> {
    const { blocking, clock, processing } = this.#options;
    const watchdog = new AbortController();
    const cancel = clock.after(timeoutMs + WATCHDOG_MS, () =>
      watchdog.abort(new Error('a blocking claim got no answer')),
    );
    const either = anySignal([...end.callers, watchdog.signal]);
    try {
      return await orAbort(reply, either.signal);
    } catch (thrown) {
      // A server that answers, if only to refuse, has nothing left to carry out.
      if (isRefusal(thrown)) {
        blocking.judge(client, thrown);
        throw thrown;
      }
      const isOver = end.isCalledOff() && (await blocking.hangUp(client, HANG_UP_MS));
      if (!isOver) {
        blocking.drop(client);
        this.#strayUntilMs = clock.now() + timeoutMs + WATCHDOG_MS;
      }
      if (!end.isCalledOff()) throw thrown;
      // The answer may have come on the way out; without one the list tells.
      processing.doubt();
      return (await within(0, reply, clock)) ?? null;
    } finally {
      cancel();
      either.dispose();
    }
  }

  /** Hands out up to `max` elements of the inbox; a suspect goes alone, or to the dead letters where it has killed too often. */
  async #handOut(max: number, end: ClaimEnd): Promise<readonly Claim[]> {
    const { book } = this.#options;
    const claims: Claim[] = [];
    // Where the caller has turned away, what came in waits for the next claim.
    const isOver = (): boolean => claims.length >= max || end.isCalledOff();
    this.#wasSuspect = false;
    for (const held of book.in('inbox')) {
      if (isOver()) break;
      if (held.origin !== 'queue') {
        // No claim may be in hand while we ask: if that fails, nobody would get it.
        if (claims.length > 0) break;
        if (await this.#isPoison(held)) continue;
        if (isOver()) break;
      }
      // A claim beside this one may have got it meanwhile.
      if (held.state !== 'inbox') continue;
      claims.push(book.handOut(held));
      if (held.origin === 'suspects') {
        this.#wasSuspect = true;
        break;
      }
    }
    return claims;
  }

  async #isPoison(held: Held): Promise<boolean> {
    const { settler, maxKills } = this.#options;
    const kills = await settler.kills(held);
    if (kills > 0) held.origin = 'suspects';
    else if (held.origin === 'unknown') held.origin = 'queue';
    if (kills < maxKills) return false;
    held.state = 'settling';
    // Not awaited: a refusal is made good in the background like any other, and mustn't hold up the claims.
    settler.buryPoison(held, kills).catch(() => undefined);
    return true;
  }
}
