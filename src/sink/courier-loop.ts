import { coerceError, RunnerError, type ErrorCode } from '../errors.js';
import type { Delivery } from '../job.js';
import { backoffMs, type Backoff } from './backoff.js';
import { Breaker, type FailureEffect } from './breaker.js';
import { systemClock, type Clock } from '../clock.js';
import type { Courier, CourierEvent, CourierSetup, CourierStats } from './courier.js';
import { resolveCourierOptions, type CourierOptions } from './courier-options.js';
import { Gate, type Go } from './gate.js';
import { blameDelivery, Parcel } from './parcel.js';
import { SharedAbort } from './shared-abort.js';
import type { Sink } from './sink.js';

/**
 * The courier: parcels wait in `#held`, are tried in `#inFlight`, and go back to the end of `#held` when the fault was not
 * theirs. Every change ends in `#pump()`, which asks the breaker what may be started.
 */
export class CourierLoop implements Courier {
  readonly #sink: Sink;
  readonly #options: CourierOptions;
  readonly #backoff: Backoff;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onEvent: (event: CourierEvent) => void;
  readonly #breaker: Breaker;
  readonly #aborts = new SharedAbort();
  /** In the order in which their turn comes: a failed one goes to the end, so a bad one can't be the probe for ever. */
  readonly #held = new Set<Parcel>();
  readonly #inFlight = new Set<Parcel>();
  readonly #gate = new Gate(this.#aborts);
  #cancelTimer: (() => void) | undefined;
  #delivered = 0;
  #failed = 0;
  #lastError: ErrorCode | undefined;
  #closing: Promise<void> | undefined;

  constructor({ sink, options = {}, clock = systemClock, random = Math.random, onEvent }: CourierSetup) {
    this.#sink = sink;
    this.#options = resolveCourierOptions(options);
    this.#backoff = { baseMs: this.#options.backoffBaseMs, capMs: this.#options.backoffCapMs };
    this.#clock = clock;
    this.#random = random;
    this.#onEvent = onEvent ?? (() => undefined);
    this.#breaker = new Breaker({ ...this.#options, ...this.#backoff }, random);
  }

  get isOpen(): boolean {
    return this.#breaker.isOpen;
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    this.#assertRunning(signal);
    let unwatch: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const parcel = new Parcel(delivery, resolve, reject);
        unwatch = this.#aborts.watch(signal, () => this.#drop(parcel));
        this.#held.add(parcel);
        this.#pump();
      });
    } finally {
      unwatch?.();
    }
  }

  async whenClosed(signal: AbortSignal): Promise<Go> {
    this.#assertRunning(signal);
    const isFlowing = this.#breaker.admit(this.#clock.now()) === 'all';
    if (isFlowing) return 'closed';
    const opened = this.#gate.wait(signal);
    this.#pump();
    return opened;
  }

  stats(): CourierStats {
    return {
      delivered: this.#delivered,
      failed: this.#failed,
      held: this.#held.size,
      inFlight: this.#inFlight.size,
      breaker: this.#breaker.isOpen ? 'open' : 'closed',
      consecutiveFailures: this.#breaker.consecutiveFailures,
      lastError: this.#lastError,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.();
    for (const parcel of [...this.#held, ...this.#inFlight]) this.#drop(parcel);
    this.#gate.close(stopped());
    await this.#sink.close?.();
  }

  #assertRunning(signal: AbortSignal): void {
    if (signal.aborted || this.#closing !== undefined) throw stopped();
  }

  /** Starts what may be started now, and sets the timer for what may be later. Called after every change. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#closing !== undefined) return;
    const nowMs = this.#clock.now();
    const admission = this.#breaker.admit(nowMs);
    if (admission === 'none') this.#wakeAt(this.#breaker.wakeAtMs, nowMs);
    else if (admission === 'one') this.#probe(nowMs);
    else this.#startDue(nowMs);
  }

  #startDue(nowMs: number): void {
    this.#gate.open('closed');
    let nextMs = Infinity;
    for (const parcel of this.#held) {
      if (this.#inFlight.size >= this.#options.concurrency) return;
      if (parcel.notBeforeMs <= nowMs) this.#start(parcel, false);
      else nextMs = Math.min(nextMs, parcel.notBeforeMs);
    }
    this.#wakeAt(nextMs, nowMs);
  }

  #probe(nowMs: number): void {
    // Tries from before the breaker opened, or the probe itself: each pumps again when it ends.
    if (this.#inFlight.size > 0) return;
    // With no claims there would be no witnesses, and a lone delivery that the server can't digest would keep the breaker
    // open for good. Vacuously true where nothing is held, as then nothing could ever close it.
    if ([...this.#held].every((parcel) => parcel.outages >= this.#options.maxHeldTries)) this.#gate.open('witness');
    const [parcel] = this.#held;
    if (parcel !== undefined) {
      this.#start(parcel, true);
    } else {
      this.#breaker.postpone(nowMs);
      this.#wakeAt(this.#breaker.wakeAtMs, nowMs);
    }
  }

  #wakeAt(atMs: number, nowMs: number): void {
    if (atMs === Infinity || (this.#held.size === 0 && this.#gate.isEmpty)) return;
    this.#cancelTimer = this.#clock.after(Math.max(0, atMs - nowMs), () => this.#pump());
  }

  #start(parcel: Parcel, isProbe: boolean): void {
    this.#held.delete(parcel);
    this.#inFlight.add(parcel);
    parcel.isProbe = isProbe;
    // A parcel that is dropped meanwhile keeps its place in #inFlight until the sink lets go of it.
    void this.#try(parcel).then((error) => this.#settle(parcel, error));
  }

  async #try(parcel: Parcel): Promise<RunnerError | undefined> {
    try {
      await this.#sink.deliver(parcel.delivery, parcel.signal);
      return undefined;
    } catch (error) {
      return this.#blame(error, parcel);
    }
  }

  /**
   * A sink that throws something of its own (a failed `fetch`, a full disk) is down rather than the delivery wrong; so is
   * one that says it was stopped although nobody here has stopped it, as a shared one that another runner has closed.
   */
  #blame(thrown: unknown, parcel: Parcel): RunnerError {
    const error = coerceError(thrown, 'HTTP_UNAVAILABLE');
    if (error.code !== 'RUNNER_STOPPED' || parcel.isSettled || this.#closing !== undefined) return error;
    return new RunnerError('HTTP_UNAVAILABLE', `The sink was closed from elsewhere: ${error.message}`, {
      cause: error,
    });
  }

  #settle(parcel: Parcel, error: RunnerError | undefined): void {
    this.#inFlight.delete(parcel);
    if (error === undefined) this.#succeed(parcel);
    else if (!parcel.isSettled) this.#fail(parcel, error);
    this.#pump();
  }

  #succeed(parcel: Parcel): void {
    this.#delivered += 1;
    parcel.succeed();
    this.#closeBreaker();
  }

  #fail(parcel: Parcel, error: RunnerError): void {
    if (error.code === 'RUNNER_STOPPED') {
      parcel.fail(error);
      return;
    }
    this.#lastError = error.code;
    if (error.retry === 'wait') {
      this.#hold(parcel, error);
      return;
    }
    this.#failed += 1;
    parcel.fail(error);
    // A verdict on one delivery is an answer: the server is there.
    this.#closeBreaker();
  }

  #hold(parcel: Parcel, error: RunnerError): void {
    const nowMs = this.#clock.now();
    const effect = this.#breaker.fail(error, nowMs, parcel.isProbe);
    parcel.countFailure(error, this.#delivered);
    if (parcel.isUndigestible(this.#options.maxHeldTries, this.#delivered)) {
      this.#failed += 1;
      parcel.fail(blameDelivery(error, parcel.outages));
    } else {
      parcel.notBeforeMs = nowMs + backoffMs(parcel.tries, this.#backoff, this.#random);
      this.#held.add(parcel);
      const { jobId, unit } = parcel.delivery;
      this.#emit({ type: 'delivery:held', jobId, unit, tries: parcel.tries, error });
    }
    this.#emitEffect(effect, error);
  }

  #emitEffect({ isOpened, isPaused, isAuthExhausted }: FailureEffect, error: RunnerError): void {
    if (isOpened) this.#emit({ type: 'breaker:open', reason: error.reason, error });
    if (isPaused) this.#emit({ type: 'courier:paused', pauseMs: error.retryAfterMs ?? 0, error });
    if (isAuthExhausted) this.#emit({ type: 'auth:failed', error });
  }

  #closeBreaker(): void {
    const openMs = this.#breaker.succeed(this.#clock.now());
    if (openMs === undefined) return;
    // Their back-offs were those of the outage that is over.
    for (const parcel of this.#held) parcel.notBeforeMs = 0;
    this.#emit({ type: 'breaker:closed', openMs, held: this.#held.size });
  }

  #drop(parcel: Parcel): void {
    this.#held.delete(parcel);
    parcel.stop(stopped());
  }

  #emit(event: CourierEvent): void {
    try {
      this.#onEvent(event);
    } catch {
      // See `onEvent`.
    }
  }
}

function stopped(): RunnerError {
  return new RunnerError(
    'RUNNER_STOPPED',
    'The courier was stopped; the delivery was not made, and its job is not settled by it.',
  );
}
