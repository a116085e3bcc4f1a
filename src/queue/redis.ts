import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { RunnerError, coerceError } from '../errors.js';
import type { JobType } from '../job.js';
import { VERSION } from '../version.js';
import { systemClock } from '../clock.js';
import type { Held } from './claim-book.js';
import type { Claim, Failure, Queue, QueueDepth, QueueEvent, QueueListener, RetryOutcome } from './queue.js';
import { isRefusal } from './redis-errors.js';
import { measureDepth, warnOfEviction } from './redis-inspection.js';
import { type RedisQueueOptions, type ResolvedRedisQueueOptions, resolveRedisQueueOptions } from './redis-options.js';
import { makeRedisParts, type RedisParts } from './redis-parts.js';
import { Pulse } from './pulse.js';
import { backoffMs } from './retry-policy.js';
import { startUpkeep } from './redis-upkeep.js';
import { Serial } from './serial.js';
import type { Ticker } from './ticker.js';
import { anySignal, pause, within } from './waiting.js';

export type { RedisQueueOptions } from './redis-options.js';

const CLOSE_DEADLINE_MS = 8000;
const HANG_UP_MS = 500;
/** How long other things wait for the dead letters' own server, which may be the only one that is down. */
const LETTERS_MS = 2000;
const LEAVE_BACKOFF = { backoffBaseMs: 50, backoffMaxMs: 1000 };

/**
 * A queue on a plain Redis list that producers LPUSH to. Claims move into a list of this consumer's own, where other
 * consumers find them if this process dies.
 *
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function redisQueue(options: RedisQueueOptions = {}): Queue {
  return new RedisQueue(resolveRedisQueueOptions(options));
}

class RedisQueue implements Queue {
  readonly name: string;
  readonly jobs: string | JobType;
  readonly claimsAtOnce = 2;

  readonly #options: ResolvedRedisQueueOptions;
  readonly #consumer = randomUUID();
  readonly #startedAt = new Date().toISOString();
  readonly #parts: RedisParts;
  readonly #pulse = new Pulse(systemClock);
  /** One claim at a time that waits or looks at suspects; what must not meet it goes in between. */
  readonly #claiming = new Serial();
  readonly #closing = new AbortController();
  #interrupting = new AbortController();
  #listener: QueueListener = () => undefined;
  #upkeep: readonly Ticker[] = [];
  #opened: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ResolvedRedisQueueOptions) {
    this.name = options.name;
    this.jobs = options.jobs;
    this.#options = options;
    this.#parts = makeRedisParts(options, {
      consumer: this.#consumer,
      by: `${hostname()}:${process.pid}@${VERSION}`,
      clock: systemClock,
      emit: (event) => this.#emit(event),
      describe: () => this.#describe(),
    });
  }

  open(listener?: QueueListener): Promise<void> {
    if (this.#opened || this.#closed) {
      return Promise.reject(new RunnerError('QUEUE_CLOSED', `The queue ${this.name} can be opened once.`));
    }
    if (listener) this.#listener = listener;
    this.#opened = this.#open();
    return this.#opened;
  }

  async claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    if (!this.#opened || this.#closed) throw closedError(this.name);
    if (!(max >= 1)) return [];
    const { claimer } = this.#parts;
    const signals = [signal, this.#closing.signal, this.#interrupting.signal];
    const besides = this.#claiming.isBusy ? await claimer.claimBeside(Math.floor(max), signals) : [];
    if (besides.length > 0) return besides;
    return this.#claiming.run(() => claimer.claim(Math.floor(max), signals));
  }

  async ack(claims: readonly Claim[]): Promise<void> {
    const finished: Held[] = [];
    for (const { id } of claims) {
      const held = this.#parts.book.beginSettling(id);
      if (held !== undefined) finished.push(held);
    }
    this.#pulse.count('done', finished.length);
    if (finished.length > 0) await this.#parts.processing.acknowledge(finished);
  }

  async retry(claim: Claim, failure: Failure): Promise<RetryOutcome> {
    const held = this.#parts.book.beginSettling(claim.id);
    if (!held) return { kind: 'scheduled', attempts: 0, delayMs: 0 };
    const outcome = await this.#parts.settler.retry(held, failure);
    this.#pulse.count(outcome.kind === 'buried' ? 'buried' : 'retried', 1);
    return outcome;
  }

  async bury(claim: Claim, failure: Failure): Promise<void> {
    const held = this.#parts.book.beginSettling(claim.id);
    if (!held) return;
    await this.#parts.settler.bury(held, failure);
    this.#pulse.count('buried', 1);
  }

  async giveBack(): Promise<number> {
    this.#interrupting.abort();
    this.#interrupting = new AbortController();
    return this.#claiming.run(() => this.#parts.processing.giveBack());
  }

  async depth(): Promise<QueueDepth> {
    const { commands, letters, keys } = this.#parts;
    // A queue that is open keeps its connection; one that is only looked at connects now.
    const late = [...(this.#opened ? [] : [commands]), ...(letters === commands ? [] : [letters])];
    const connected = Promise.all(late.map((link) => link.ready(this.#closing.signal)));
    if (late.length > 0) await within(LETTERS_MS, connected, systemClock);
    return measureDepth(commands, letters, keys);
  }

  close({ deadlineMs = CLOSE_DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #open(): Promise<void> {
    const { commands, keys, health, outbox } = this.#parts;
    await commands.ready(this.#closing.signal);
    await warnOfEviction(commands, (message) => this.#emit({ type: 'warning', message }));
    // A refusal here is reported; every claim asks again.
    await this.#beat();
    this.#closing.signal.throwIfAborted();
    this.#upkeep = startUpkeep({
      ...this.#options,
      link: commands,
      ...{ keys, health, outbox },
      consumer: this.#consumer,
      signal: this.#closing.signal,
      clock: systemClock,
      emit: (event) => this.#emit(event),
      beat: () => this.#beat(),
    });
  }

  async #close(deadlineMs: number): Promise<void> {
    const { commands, blocking, letters, processing } = this.#parts;
    this.#closing.abort(closedError(this.name));
    const leaving = new AbortController();
    const left = this.#leave(leaving.signal);
    // A server that doesn't answer must not keep us: what stays behind is found by the reaper of another consumer.
    await within(Math.max(0, deadlineMs - HANG_UP_MS), left, systemClock);
    leaving.abort();
    processing.close();
    await Promise.all([commands, blocking, letters].map((link) => link.close(HANG_UP_MS)));
    await left;
  }

  /** Gives everything back and unregisters; tries until `signal` aborts. Never rejects. */
  async #leave(signal: AbortSignal): Promise<void> {
    const { commands, processing, registration, claimer } = this.#parts;
    if (!this.#opened) return;
    // All of these end by the signal of closing; a beat after the end would register again.
    await Promise.allSettled([this.#opened, this.#claiming.idle()]);
    await Promise.all(this.#upkeep.map((ticker) => ticker.stop()));
    let failure: RunnerError | undefined;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await commands.ready(signal);
        await processing.giveBack();
        // A stray claim may still come in; it is found through the registration, which runs out by itself.
        if (!claimer.mayHaveStray) await commands.use((client) => registration.end(client));
        failure = undefined;
        break;
      } catch (thrown) {
        failure = coerceError(thrown, 'QUEUE_UNAVAILABLE');
        await pause(backoffMs(attempt, LEAVE_BACKOFF, this.#options.random), signal, systemClock);
      }
    }
    // Nobody else will say so: with a right missing, the others take this one for dead each time.
    if (failure && isRefusal(failure.cause)) this.#emit({ type: 'warning', message: failure.message });
    // What stays in the outbox is sent on by another runner, or by the next one that starts.
    await this.#drainOutbox(signal);
  }

  async #drainOutbox(signal: AbortSignal): Promise<void> {
    const isLate = new AbortController();
    const cancel = systemClock.after(LETTERS_MS, () => isLate.abort());
    const either = anySignal([signal, isLate.signal]);
    await this.#parts.outbox.drain(either.signal).catch(() => undefined);
    cancel();
    either.dispose();
  }

  async #beat(): Promise<void> {
    try {
      await this.#parts.commands.ready(this.#closing.signal);
      await this.#parts.registration.beat();
      await this.#parts.processing.check();
      this.#parts.health.succeed('beat');
    } catch (thrown) {
      if (!this.#closing.signal.aborted) this.#parts.health.fail('beat', coerceError(thrown, 'QUEUE_UNAVAILABLE'));
    }
  }

  #describe(): Record<string, unknown> {
    const { rss } = process.memoryUsage();
    return {
      host: hostname(),
      pid: process.pid,
      version: VERSION,
      started: this.#startedAt,
      inFlight: this.#parts.book.size,
      oldestMs: this.#parts.book.oldestMs ?? null,
      ...this.#pulse.beat(),
      ttlMs: this.#options.heartbeatTtlMs,
      rss,
    };
  }

  #emit(event: QueueEvent): void {
    try {
      this.#listener(event);
    } catch {
      // A listener can't be allowed to break the work, and there is nobody else to tell.
    }
  }
}

function closedError(name: string): RunnerError {
  return new RunnerError('QUEUE_CLOSED', `The queue ${name} is not open.`);
}
