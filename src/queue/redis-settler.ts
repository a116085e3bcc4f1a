import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';

import { RunnerError } from '../errors.js';
import type { Held } from './claim-book.js';
import { type DeadLetter, deadLetter, sha1Hex } from './dead-letter.js';
import type { ProcessingList } from './processing-list.js';
import type { Failure, RetryOutcome } from './queue.js';
import { triesFields, type RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { BURY, RETRY, runScript } from './redis-scripts.js';
import { attemptLimit, retryDelayMs, spentReason } from './retry-policy.js';
import { ulid } from './ulid.js';

export interface SettlerOptions {
  readonly link: RedisLink;
  readonly keys: RedisKeys;
  /** Key of the processing list. */
  readonly list: string;
  readonly processing: ProcessingList;
  readonly maxAttempts: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly maxElementBytes: number;
  /** `host:pid@version`, for the dead letters. */
  readonly by: string;
  readonly random: () => number;
  readonly onLost: () => void;
}

interface Counters {
  readonly attempts: number;
  readonly kills: number;
  readonly firstFailedAtMs: number;
}

/** Ends claims that failed: another try, or the dead letters. */
export class RedisSettler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** @throws RunnerError `QUEUE_CLOSED` where the queue is closed before the server takes it. */
  async retry(held: Held, failure: Failure): Promise<RetryOutcome> {
    const { processing, keys, list, random, maxAttempts } = this.#options;
    const limit = attemptLimit(failure.error, maxAttempts);
    const delaysMs = Array.from({ length: limit - 1 }, (_, index) =>
      retryDelayMs(index + 1, this.#options, random, failure.minDelayMs),
    );
    // One nonce for every try of this step: the script knows it again.
    const nonce = randomBytes(16).toString('hex');
    let buried: { readonly letter: DeadLetter; readonly attempts: number } | undefined;

    const outcome = await processing.settle<RetryOutcome | 'lost'>(held, async (client) => {
      const reply = await runScript(client, RETRY, [list, keys.retry, keys.tries], [held.raw, nonce, ...delaysMs]);
      const [kind, attempts, rest, firstFailedAtMs] = (reply as unknown[]).map(textOrNumber);
      if (kind === 'absent') return 'lost';
      if (kind !== 'spent') return { kind: 'scheduled', attempts: Number(attempts ?? 1), delayMs: Number(rest ?? 0) };
      const counters = { attempts: Number(attempts), kills: Number(rest), firstFailedAtMs: Number(firstFailedAtMs) };
      buried ??= {
        letter: this.#letter(held, failure.error, spentReason(failure.error), counters),
        attempts: counters.attempts,
      };
      await this.#bury(client, held, buried.letter);
      return { kind: 'buried', attempts: buried.attempts };
    });

    if (outcome !== undefined && outcome !== 'lost') return outcome;
    if (outcome === 'lost') this.#options.onLost();
    // Carried out without an answer, or taken over by another consumer, who has it queued.
    if (buried) return { kind: 'buried', attempts: buried.attempts };
    const counters = await this.#options.link.use((client) => this.#counters(client, held)).catch(() => undefined);
    return { kind: 'scheduled', attempts: counters?.attempts ?? 1, delayMs: 0 };
  }

  /** @throws RunnerError `QUEUE_CLOSED` where the queue is closed before the server takes it. */
  async bury(held: Held, { error }: Failure): Promise<void> {
    // Poison has failed no attempt: it never came to an end.
    await this.#buryFor(held, error, error.reason, error.code === 'JOB_POISON' ? 0 : 1);
  }

  /** Buries an element that too many consumers died with. */
  async buryPoison(held: Held, kills: number): Promise<void> {
    const error = new RunnerError('JOB_POISON', `${kills} runners died while they had this job in hand.`);
    await this.#buryFor(held, error, error.reason, 0);
  }

  /** How many consumers died with such an element in hand. */
  async kills(held: Held): Promise<number> {
    return (await this.#options.link.use((client) => this.#counters(client, held))).kills;
  }

  async #buryFor(held: Held, error: RunnerError, reason: string, attemptsNow: number): Promise<void> {
    let letter: DeadLetter | undefined;
    const isThere = await this.#options.processing.settle(held, async (client) => {
      if (!letter) {
        const counters = await this.#counters(client, held);
        const attempts = counters.attempts + attemptsNow;
        const kills = counters.kills + (error.kills ?? 0);
        letter = this.#letter(held, error, reason, { ...counters, attempts, kills });
      }
      return this.#bury(client, held, letter);
    });
    if (isThere === false) this.#options.onLost();
  }

  async #bury(client: Redis, held: Held, { entry, note, isBare }: DeadLetter): Promise<boolean> {
    const { keys, list } = this.#options;
    const reply = await runScript(
      client,
      BURY,
      keys.outbox === undefined
        ? [list, keys.deadLetters, keys.tries, keys.deadLetterNotes]
        : [list, keys.outbox, keys.tries, keys.deadLetterNotes, keys.sent],
      [held.raw, entry, note.id, ...(isBare ? [JSON.stringify(note)] : [])],
    );
    return textOrNumber(reply) !== 'absent';
  }

  async #counters(client: Redis, { raw }: Held): Promise<Counters> {
    const [attempts, kills, , first] = await client.hmget(this.#options.keys.tries, ...triesFields(sha1Hex(raw)));
    return {
      attempts: Number(attempts ?? 0),
      kills: Number(kills ?? 0),
      firstFailedAtMs: Number(first ?? Date.now()),
    };
  }

  #letter(held: Held, error: RunnerError, reason: string, counters: Counters): DeadLetter {
    const { keys, by, maxElementBytes } = this.#options;
    const failedAtMs = Date.now();
    const id = ulid(failedAtMs, randomBytes(10));
    return deadLetter(held.raw, { id, queue: keys.queue, reason, error, by, failedAtMs, ...counters }, maxElementBytes);
  }
}

function textOrNumber(reply: unknown): string | number {
  return typeof reply === 'number' ? reply : String(reply);
}
