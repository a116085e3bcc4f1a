import type { RunnerError } from '../errors.js';
import { backoffMs, type Backoff } from './backoff.js';

export interface BreakerOptions extends Backoff {
  /** Failures in a row that open it. */
  readonly failureThreshold: number;
  /** Answers 401/403 in a row after which `isAuthExhausted` is told; 0 never. */
  readonly authFailLimit: number;
}

/** What one failure changed; each is true only for the failure that made the change. */
export interface FailureEffect {
  readonly isOpened: boolean;
  readonly isPaused: boolean;
  readonly isAuthExhausted: boolean;
}

/** What may be started at a time: everything, a single probe, or nothing before `wakeAtMs`. */
export type Admission = 'all' | 'one' | 'none';

/**
 * The circuit breaker's state machine. It knows nothing of deliveries and makes no I/O: it is told failures and successes
 * with their time, and answers what may be started.
 *
 * Closed, it admits all. `failureThreshold` failures in a row open it, a refused token at once: that is configuration,
 * and every further try with it is noise in the server's log. Open, it admits one probe per back-off; a success closes it.
 * `Retry-After` pauses it in either state.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #random: () => number;
  #consecutiveFailures = 0;
  #authFailures = 0;
  #failedProbes = 0;
  #openedAtMs: number | undefined;
  #probeAtMs = 0;
  #pausedUntilMs = 0;

  constructor(options: BreakerOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  get isOpen(): boolean {
    return this.#openedAtMs !== undefined;
  }

  get consecutiveFailures(): number {
    return this.#consecutiveFailures;
  }

  /** When the answer of `admit()` may change from `none`. */
  get wakeAtMs(): number {
    return Math.max(this.#pausedUntilMs, this.isOpen ? this.#probeAtMs : 0);
  }

  admit(nowMs: number): Admission {
    if (nowMs < this.wakeAtMs) return 'none';
    return this.isOpen ? 'one' : 'all';
  }

  /** Takes a failure of class `wait`; `isProbe` where the try was the one that an open breaker admitted. */
  fail(error: RunnerError, nowMs: number, isProbe: boolean): FailureEffect {
    const isAuth = error.code === 'HTTP_UNAUTHORIZED';
    this.#consecutiveFailures += 1;
    if (isAuth) this.#authFailures += 1;
    // Tries that were under way when it opened say nothing new, so only a probe lengthens the back-off.
    if (isProbe && this.isOpen) this.postpone(nowMs);
    return {
      isOpened: this.#openIfDue(isAuth, nowMs),
      isPaused: this.#pause(error.retryAfterMs, nowMs),
      isAuthExhausted: isAuth && this.#authFailures === this.#options.authFailLimit,
    };
  }

  /**
   * The server took a delivery, or gave a verdict on one: it is there.
   * Answers for how long the breaker had been open, or undefined where it was closed.
   */
  succeed(nowMs: number): number | undefined {
    const openedAtMs = this.#openedAtMs;
    this.#consecutiveFailures = 0;
    this.#authFailures = 0;
    this.#openedAtMs = undefined;
    return openedAtMs === undefined ? undefined : nowMs - openedAtMs;
  }

  /** Moves the next probe on by a longer back-off: the last one failed, or there was nothing to probe with. */
  postpone(nowMs: number): void {
    this.#failedProbes += 1;
    this.#probeAtMs = nowMs + backoffMs(this.#failedProbes + 1, this.#options, this.#random);
  }

  #openIfDue(isAuth: boolean, nowMs: number): boolean {
    if (this.isOpen || (!isAuth && this.#consecutiveFailures < this.#options.failureThreshold)) return false;
    this.#openedAtMs = nowMs;
    this.#failedProbes = 0;
    this.#probeAtMs = nowMs + backoffMs(1, this.#options, this.#random);
    return true;
  }

  #pause(retryAfterMs: number | undefined, nowMs: number): boolean {
    if (retryAfterMs === undefined) return false;
    const wasPaused = nowMs < this.#pausedUntilMs;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + retryAfterMs);
    return !wasPaused;
  }
}
