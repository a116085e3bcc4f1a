import type { RunnerError } from './errors.js';

/**
 * The words of this codebase, each with one meaning:
 * - element:  the bytes that a producer LPUSHed; never changed by us.
 * - claim:    an element that this process holds for the time being.
 * - job:      an element that was understood.
 * - item:     one input on its way through a batch; made from a job or by a direct call.
 * - batch:    items that go to a thread together.
 * - unit:     one model's work within a task; each item gets one outcome per unit.
 * - delivery: one callback to be made for a job.
 */

/** What a job reads: a picture by path or by bytes, or a text. */
export type JobInput =
  | { readonly kind: 'image'; readonly path: string }
  | { readonly kind: 'image'; readonly bytes: Uint8Array }
  | { readonly kind: 'text'; readonly text: string };

export type InputKind = JobInput['kind'];

/** An element of a queue that was understood. */
export interface Job {
  /** The type of job that made it: `photo`, `text`, or a user's own. */
  readonly type: string;
  /** Decimal digits of the `photo_id` or `request_id`; a string, so that ids beyond 2^53 stay exact. */
  readonly id: string;
  /** Names of the tasks asked for, without repeats, in the order asked. */
  readonly tasks: readonly string[];
  /** The one model that is to do them, by its label or name; null: the first. Without it every model does. */
  readonly model?: string | null;
  readonly input: JobInput;
  /** Further fields of the element that deliveries need (`user_id`, …); a null-prototype object. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Understands the elements of a queue. */
export interface JobType {
  readonly name: string;
  /** Longest element that is parsed, in bytes, where that is more than the runner's `maxElementBytes`. */
  readonly maxElementBytes?: number;
  /**
   * @throws RunnerError `JOB_INVALID` with what was expected and what came; the element goes to the dead letters.
   */
  parse(text: string): Job;
}

/** One callback. The path is below the sink's base URL and made of constants and digits only. */
export interface Delivery {
  readonly jobId: string;
  /** For events and logs: `clip/clip-ViT-L-14`. */
  readonly unit: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** How one job ended. */
export type JobVerdict = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly error: RunnerError };
