import { ERROR_FACTS, RunnerError } from '../errors.js';
import type { Delivery } from '../job.js';

/** Deliveries of others that must get through before one that doesn't is called undigestible. */
const MIN_WITNESSES = 3;

/** A delivery on its way through the courier: its tries so far, and the promise that was made for it. */
export class Parcel {
  readonly delivery: Delivery;
  readonly #abort = new AbortController();
  readonly #resolve: () => void;
  readonly #reject: (error: RunnerError) => void;
  /** Failed tries of any kind; the back-off grows with it. */
  tries = 0;
  /** No try before this time, unless the breaker has closed since. */
  notBeforeMs = 0;
  /** True while it is the one that an open breaker has let through. */
  isProbe = false;
  #isSettled = false;
  #outages = 0;
  #deliveredAtFirstOutage = 0;

  constructor(delivery: Delivery, resolve: () => void, reject: (error: RunnerError) => void) {
    this.delivery = delivery;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Aborts when the sender no longer waits. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Timeouts and outages that it met. */
  get outages(): number {
    return this.#outages;
  }

  /** `delivered` is the courier's count of successes so far. */
  countFailure(error: RunnerError, delivered: number): void {
    this.tries += 1;
    if (error.code !== 'HTTP_TIMEOUT' && error.code !== 'HTTP_UNAVAILABLE') return;
    if (this.#outages === 0) this.#deliveredAtFirstOutage = delivered;
    this.#outages += 1;
  }

  /** Whether it fails again and again while others get through, so that the outage must be of its own making. */
  isUndigestible(maxHeldTries: number, delivered: number): boolean {
    return this.#outages >= maxHeldTries && delivered - this.#deliveredAtFirstOutage >= MIN_WITNESSES;
  }

  succeed(): void {
    this.#isSettled = true;
    this.#resolve();
  }

  fail(error: RunnerError): void {
    this.#isSettled = true;
    this.#reject(error);
  }

  /** The sender waits no longer: a try under way is aborted and its outcome unimportant. */
  stop(error: RunnerError): void {
    if (this.#isSettled) return;
    this.fail(error);
    this.#abort.abort(error);
  }
}

/** The outage of one delivery as a failure of its job, which spends an attempt. */
export function blameDelivery(error: RunnerError, tries: number): RunnerError {
  return new RunnerError(
    'HTTP_SERVER_ERROR',
    `The server failed on this delivery ${tries} times while it took others, so the fault is taken to be the delivery's: ${error.message}`,
    { cause: error, reason: ERROR_FACTS[error.code].reason },
  );
}
