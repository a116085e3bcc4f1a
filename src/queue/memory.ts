import { randomBytes, randomUUID } from 'node:crypto';

import { check, resolveOptions } from '../check.js';
import { RunnerError } from '../errors.js';
import type { JobType } from '../job.js';
import { ClaimBook, type Held } from './claim-book.js';
import { ClaimEnd } from './claim-end.js';
import { type Clock, systemClock } from '../clock.js';
import { deadLetter, sha1Hex } from './dead-letter.js';
import type { DeadLetters } from './dead-letters.js';
import { type DeadElement, MemoryDeadLetters } from './memory-dead-letters.js';
import type { Claim, Failure, Queue, QueueDepth, QueueListener, RetryOutcome } from './queue.js';
import { COMMON_CHECKS, COMMON_DEFAULTS, defaultsFor, type CommonQueueOptions } from './queue-options.js';
import { attemptLimit, retryDelayMs, spentReason } from './retry-policy.js';
import { ulid } from './ulid.js';
import { anySignal, pause } from './waiting.js';

/** What a queue in memory can be told. */
export interface MemoryQueueOptions extends CommonQueueOptions {
  /** Time; for tests. */
  readonly clock?: Clock;
}

/** A queue inside this process, for tests, examples and programs without Redis. Gone when the process ends. */
export interface MemoryQueue extends Queue {
  /** Adds elements, the first to be taken first; objects as their JSON. */
  push(...elements: readonly (string | Buffer | object)[]): void;
  /** What waits, the next to be taken first. */
  waiting(): readonly Buffer[];
  /** What lies in the dead letters, the first to die first: the element, and the entry that Redis would hold. */
  dead(): readonly { readonly raw: Buffer; readonly entry: Buffer }[];
  /** The same to be looked through, put back or removed, as `deadLetters()` does it in Redis. */
  deadLetters(): DeadLetters;
}

type Resolved = Required<MemoryQueueOptions>;

const DEFAULTS: Resolved = { ...COMMON_DEFAULTS, clock: systemClock };

const CHECKS = {
  ...COMMON_CHECKS,
  clock: check(
    'an object with now() and after()',
    (value): value is Clock => typeof value === 'object' && value !== null && 'after' in value,
  ),
};

/**
 * A queue that keeps the same promises as `redisQueue()` as long as the process lives.
 *
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function memoryQueue(options: MemoryQueueOptions = {}): MemoryQueue {
  return new InMemoryQueue(resolveOptions('memoryQueue', options, defaultsFor(DEFAULTS, options), CHECKS));
}

interface Tries {
  readonly attempts: number;
  readonly firstFailedAtMs: number;
}

class InMemoryQueue implements MemoryQueue {
  readonly name: string;
  readonly jobs: string | JobType;

  readonly #options: Resolved;
  readonly #book = new ClaimBook(randomUUID());
  /** Oldest first. */
  readonly #waiting: Buffer[] = [];
  /** Elements that wait for their next attempt, each with what calls its timer off. */
  readonly #retry = new Map<Buffer, () => void>();
  readonly #tries = new Map<string, Tries>();
  readonly #dead: DeadElement[] = [];
  readonly #closing = new AbortController();
  #interrupting = new AbortController();
  /** Aborted, and made anew, whenever an element has come. */
  #arrival = new AbortController();
  #listener: QueueListener = () => undefined;
  #isOpen = false;

  constructor(options: Resolved) {
    this.#options = options;
    this.name = options.name;
    this.jobs = options.jobs;
  }

  push(...elements: readonly (string | Buffer | object)[]): void {
    for (const element of elements) {
      // Copied: the bytes of an element never change, whatever its pusher does with them.
      if (Buffer.isBuffer(element)) this.#waiting.push(Buffer.from(element));
      else this.#waiting.push(Buffer.from(typeof element === 'string' ? element : JSON.stringify(element)));
    }
    this.#announce();
  }

  waiting(): readonly Buffer[] {
    return [...this.#waiting];
  }

  dead(): readonly { readonly raw: Buffer; readonly entry: Buffer }[] {
    return this.#dead.map(({ raw, letter }) => ({ raw, entry: letter.entry }));
  }

  deadLetters(): DeadLetters {
    const { name } = this;
    const { clock } = this.#options;
    return new MemoryDeadLetters({ name, clock, elements: this.#dead, requeue: (raw) => this.push(raw) });
  }

  open(listener?: QueueListener): Promise<void> {
    if (this.#isOpen || this.#closing.signal.aborted) {
      return Promise.reject(new RunnerError('QUEUE_CLOSED', `The queue ${this.name} can be opened once.`));
    }
    if (listener) this.#listener = listener;
    this.#isOpen = true;
    return Promise.resolve();
  }

  async claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    if (!this.#isOpen || this.#closing.signal.aborted) {
      throw new RunnerError('QUEUE_CLOSED', `The queue ${this.name} is not open.`);
    }
    if (!(max >= 1)) return [];
    const { claimTimeoutMs, clock } = this.#options;
    const signals = [signal, this.#closing.signal, this.#interrupting.signal];
    const end = new ClaimEnd(signals, claimTimeoutMs, clock);
    try {
      return await this.#claim(Math.floor(max), end);
    } finally {
      end.dispose();
    }
  }

  ack(claims: readonly Claim[]): Promise<void> {
    for (const { id } of claims) {
      const held = this.#book.beginSettling(id);
      if (!held) continue;
      this.#book.remove(held);
      if (this.#tries.size > 0) this.#tries.delete(sha1Hex(held.raw));
    }
    return Promise.resolve();
  }

  retry(claim: Claim, { error, minDelayMs }: Failure): Promise<RetryOutcome> {
    const held = this.#book.beginSettling(claim.id);
    if (!held) return Promise.resolve({ kind: 'scheduled', attempts: 0, delayMs: 0 });
    const { maxAttempts, random, clock } = this.#options;
    const tries = this.#triesOf(held);
    const attempts = tries.attempts + 1;
    if (attempts >= attemptLimit(error, maxAttempts)) {
      this.#bury(held, error, spentReason(error), attempts);
      return Promise.resolve({ kind: 'buried', attempts });
    }
    const delayMs = retryDelayMs(attempts, this.#options, random, minDelayMs);
    this.#tries.set(sha1Hex(held.raw), { ...tries, attempts });
    this.#book.remove(held);
    const { raw } = held;
    this.#retry.set(
      raw,
      clock.after(delayMs, () => this.#promote(raw)),
    );
    return Promise.resolve({ kind: 'scheduled', attempts, delayMs });
  }

  bury(claim: Claim, { error }: Failure): Promise<void> {
    const held = this.#book.beginSettling(claim.id);
    // Poison has failed no attempt: it never came to an end.
    const attemptsNow = error.code === 'JOB_POISON' ? 0 : 1;
    if (held) this.#bury(held, error, error.reason, this.#triesOf(held).attempts + attemptsNow);
    return Promise.resolve();
  }

  giveBack(): Promise<number> {
    this.#interrupting.abort();
    this.#interrupting = new AbortController();
    const held = this.#book.all();
    this.#waiting.unshift(...held.map(({ raw }) => raw));
    this.#book.clear();
    this.#announce();
    return Promise.resolve(held.length);
  }

  depth(): Promise<QueueDepth> {
    return Promise.resolve({
      waiting: this.#waiting.length,
      inFlight: this.#book.size,
      retry: this.#retry.size,
      suspects: 0,
      dead: this.#dead.length,
    });
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.giveBack();
    for (const callOff of this.#retry.values()) callOff();
  }

  async #claim(max: number, end: ClaimEnd): Promise<readonly Claim[]> {
    const { clock } = this.#options;
    while (!end.isCalledOff()) {
      if (this.#waiting.length > 0) {
        return this.#waiting.splice(0, max).map((raw) => this.#book.handOut(this.#book.add(raw, 'queue')));
      }
      if (end.isOver()) break;
      const either = anySignal([...end.callers, this.#arrival.signal]);
      await pause(end.untilMs - clock.now(), either.signal, clock).finally(() => either.dispose());
    }
    return [];
  }

  #promote(raw: Buffer): void {
    this.#retry.delete(raw);
    this.#waiting.unshift(raw);
    this.#listener({ type: 'promoted', count: 1 });
    this.#announce();
  }

  #bury(held: Held, error: RunnerError, reason: string, attempts: number): void {
    const { maxElementBytes } = this.#options;
    const failedAtMs = Date.now();
    const { firstFailedAtMs } = this.#triesOf(held);
    const facts = {
      id: ulid(failedAtMs, randomBytes(10)),
      queue: this.name,
      by: `memory:${process.pid}`,
      kills: error.kills ?? 0,
      reason,
      error,
      attempts,
      firstFailedAtMs,
      failedAtMs,
    };
    this.#dead.push({ raw: held.raw, letter: deadLetter(held.raw, facts, maxElementBytes) });
    this.#book.remove(held);
    this.#tries.delete(sha1Hex(held.raw));
  }

  #triesOf({ raw }: Held): Tries {
    return this.#tries.get(sha1Hex(raw)) ?? { attempts: 0, firstFailedAtMs: Date.now() };
  }

  #announce(): void {
    this.#arrival.abort();
    this.#arrival = new AbortController();
  }
}
