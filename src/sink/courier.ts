import type { ErrorCode, RunnerError } from '../errors.js';
import type { Delivery } from '../job.js';
import type { Clock } from '../clock.js';
import { CourierLoop } from './courier-loop.js';
import type { CourierOptions } from './courier-options.js';
import type { Go } from './gate.js';
import type { Sink } from './sink.js';

export type { CourierOptions } from './courier-options.js';

/** What a courier reports besides its answers; never a token, a body or a path. */
export type CourierEvent =
  | { readonly type: 'breaker:open'; readonly reason: string; readonly error: RunnerError }
  | { readonly type: 'breaker:closed'; readonly openMs: number; readonly held: number }
  | { readonly type: 'courier:paused'; readonly pauseMs: number; readonly error: RunnerError }
  | {
      readonly type: 'delivery:held';
      readonly jobId: string;
      readonly unit: string;
      /** Tries so far. */
      readonly tries: number;
      readonly error: RunnerError;
    }
  /** `authFailLimit` answers 401/403 in a row: told once until a delivery gets through. */
  | { readonly type: 'auth:failed'; readonly error: RunnerError };

export interface CourierSetup {
  readonly sink: Sink;
  readonly options?: Partial<CourierOptions>;
  readonly clock?: Clock;
  /** Numbers of at least 0 and below 1, for the jitter. */
  readonly random?: () => number;
  /** Called synchronously; what it throws is dropped, so that a listener can't stop deliveries. */
  readonly onEvent?: (event: CourierEvent) => void;
}

export interface CourierStats {
  readonly delivered: number;
  /** Rejected for good or for the job's next attempt; those stopped by their sender are not counted. */
  readonly failed: number;
  /** Waiting for a try. */
  readonly held: number;
  readonly inFlight: number;
  readonly breaker: 'closed' | 'open';
  readonly consecutiveFailures: number;
  readonly lastError: ErrorCode | undefined;
}

/**
 * Brings deliveries to a sink through outages. It holds what it was given and no more, so it is bounded by its users.
 */
export interface Courier {
  readonly isOpen: boolean;
  /**
   * Resolves when the sink has taken the delivery. Outages, timeouts, wrong tokens and rate limits are waited out here.
   * One exception keeps a delivery that the server can't digest from being tried for ever: after `maxHeldTries` timeouts
   * or outages, with at least three others delivered since its first, it is rejected with `HTTP_SERVER_ERROR`.
   * @throws RunnerError of class `never` or `later`; `RUNNER_STOPPED` once the signal aborts or the courier is closed.
   */
  send(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /**
   * To be awaited before more work is begun: resolves with `closed` as soon as deliveries flow. `witness` asks for one
   * job although they don't: all that is held has failed many times, and only another delivery can show whose fault it is.
   * @throws RunnerError `RUNNER_STOPPED`
   */
  whenClosed(signal: AbortSignal): Promise<Go>;
  stats(): CourierStats;
  /** Rejects what is held or under way with `RUNNER_STOPPED`, then closes the sink. Idempotent. */
  close(): Promise<void>;
}

/** @throws RunnerError `OPTIONS_INVALID` */
export function createCourier(setup: CourierSetup): Courier {
  return new CourierLoop(setup);
}
