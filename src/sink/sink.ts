import type { Delivery } from '../job.js';

/**
 * Where results go. A sink makes one attempt (and at most one immediate repeat for a stale connection); waiting, repeats
 * and the circuit breaker are the courier's, so that a sink of one's own is one method.
 */
export interface Sink {
  /** For logs: an origin or a name; never a secret. */
  readonly name: string;
  /**
   * Called once when the runner starts, while its models load: the time to get ready for the first delivery. Nobody waits for
   * it, and a failure changes nothing: `deliver()` says itself what is wrong.
   */
  open?(): Promise<void>;
  /**
   * Resolves when the receiver has taken the delivery.
   * @throws RunnerError whose `retry` class says whether to repeat (`wait`, `later`) or to give up (`never`).
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** Deliveries that it likes to get at a time. @default 8 */
  readonly concurrency?: number;
  /** Idempotent. */
  close?(): Promise<void>;
}
