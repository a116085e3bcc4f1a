import type { RunnerError } from '../errors.js';
import type { JobType } from '../job.js';

/**
 * Where jobs come from.
 *
 * The promise: **at least once**. From the moment `claim()` has taken an element until `ack()`, `retry()` or `bury()`
 * has settled it, the element stays where another process finds it if this one dies. Elements are bytes; no method
 * changes them, and two identical elements are two jobs.
 *
 * Not promised: order after a failure, and exactly-once (a job may run twice after a crash; callbacks are upserts).
 */
export interface Queue {
  /** For logs and events, e.g. `photo_tasks`. */
  readonly name: string;
  /** Which jobs the elements are: `photo` (default), `text`, or a type of the user's own. */
  readonly jobs: string | JobType;
  /**
   * Claims that may be on their way at a time; 1 where it is left out. With more the runner asks again before the last
   * answer is there, as long as each claim gets all that it asks for: the way to the server and back is waited for less often.
   */
  readonly claimsAtOnce?: number;

  /**
   * Registers this consumer and starts its beat. Called once, before `claim()`. Waits while the server is away.
   * @throws RunnerError `QUEUE_CLOSED` where the queue is closed meanwhile, or was opened before.
   */
  open(listener?: QueueListener): Promise<void>;

  /**
   * Takes up to `max` elements, oldest first. Waits for the first one until the queue's own poll time (5 s) has passed
   * or `signal` aborts, then answers `[]`; never waits for more than the first. An outage of the server is waited out
   * inside (and reported to the listener), never thrown. What comes in while a claim is called off waits for the next.
   * Claims of one queue go one after the other, or as many at a time as `claimsAtOnce` says.
   * @throws RunnerError `QUEUE_CLOSED` before `open()` and after `close()`.
   */
  claim(max: number, signal: AbortSignal): Promise<readonly Claim[]>;

  /**
   * The job is finished. A claim that was reaped meanwhile is reported (`lease:lost`), not an error; one that was given
   * back or settled before is left alone. Never rejects: what the server doesn't take is kept and carried out later.
   */
  ack(claims: readonly Claim[]): Promise<void>;

  /**
   * The job failed and may be tried again: counts an attempt, and puts the element in the retry set, or in the dead
   * letters once `maxAttempts` are spent. Resolves when the server has taken it, however long that takes. Where another
   * consumer has taken the job over, it is queued there: `scheduled` without a delay.
   * @throws RunnerError `QUEUE_CLOSED` where the queue is closed first; the job will run again.
   */
  retry(claim: Claim, failure: Failure): Promise<RetryOutcome>;

  /**
   * The job can't succeed: the element goes to the dead letters with a note beside it. Resolves and rejects like
   * `retry()`.
   */
  bury(claim: Claim, failure: Failure): Promise<void>;

  /**
   * Puts every claim that is not settled back at the end it was taken from, in its order; counts no attempt. Ends a claim
   * that is waiting. Answers how many elements it was.
   * @throws RunnerError `QUEUE_UNAVAILABLE` where the server doesn't take them; they are still held then.
   */
  giveBack(): Promise<number>;

  /**
   * May be called before `open()`, by those who only look.
   * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
   */
  depth(): Promise<QueueDepth>;

  /**
   * Gives back what is still held, unregisters and disconnects. Idempotent; never rejects. After the deadline (8 s by
   * default) it leaves what a dead server doesn't take to the other consumers.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/** An element that this process holds. */
export interface Claim {
  /** Unique among the claims of this process. */
  readonly id: string;
  readonly raw: Buffer;
  /** True where an earlier consumer died with this element in hand. */
  readonly isSuspect: boolean;
}

/** Why a job failed, and when it may be tried again. */
export interface Failure {
  readonly error: RunnerError;
  /** At least this long before the next try. */
  readonly minDelayMs?: number;
}

/** What became of a job that failed: it waits for its next try, or its attempts were spent. */
export type RetryOutcome =
  | { readonly kind: 'scheduled'; readonly attempts: number; readonly delayMs: number }
  | { readonly kind: 'buried'; readonly attempts: number };

/** How many elements are where. */
export interface QueueDepth {
  readonly waiting: number;
  /** Held by this and all other consumers. */
  readonly inFlight: number;
  readonly retry: number;
  readonly suspects: number;
  readonly dead: number;
}

/** What a queue reports besides its answers. Called synchronously; must not throw. */
export type QueueListener = (event: QueueEvent) => void;

/** The runner passes these on as its own events (`queue:down`, `queue:reaped`, …). */
export type QueueEvent =
  /** Something keeps the queue from working; it goes on trying. Repeated only for trouble of another kind. */
  | { readonly type: 'down'; readonly error: RunnerError }
  | { readonly type: 'up' }
  | { readonly type: 'adopted'; readonly count: number }
  | { readonly type: 'lease:lost'; readonly count: number }
  | { readonly type: 'reaped'; readonly consumer: string; readonly count: number }
  | { readonly type: 'promoted'; readonly count: number }
  | { readonly type: 'warning'; readonly message: string };
