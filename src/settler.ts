import type { HeldClaim } from './claimed-job.js';
import type { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import type { JobVerdict } from './job.js';
import type { Queue } from './queue/queue.js';

export interface SettlerOptions {
  readonly queue: Queue;
  readonly emit: Emit;
  readonly onGone: 'bury' | 'ack';
  /** Its ack is on its way: whatever is asked of the queue from now on comes after it. */
  readonly onSent: (held: HeldClaim) => void;
  /** The queue knows. A job that was stopped is left as it is: the queue gives it back when it closes. */
  readonly onSettled: (held: HeldClaim, error: RunnerError | undefined) => void;
}

interface Ack {
  readonly held: HeldClaim;
  /** Of a job that failed and is acknowledged all the same. */
  readonly error: RunnerError | undefined;
}

/** Acks on their way at a time: a network between costs no more than one way there and back. */
const ACKS_AT_ONCE = 4;

/** Tells the queue how jobs ended. Acks that come due while others are on their way go together in the next one. */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #pending = new Set<Promise<void>>();
  #acks: Ack[] = [];
  #acking = 0;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  settle(held: HeldClaim, verdict: JobVerdict): void {
    const error = verdict.kind === 'failed' ? verdict.error : undefined;
    if (error?.code === 'RUNNER_STOPPED') {
      this.#options.onSettled(held, error);
      return;
    }
    if (error !== undefined && (error.code !== 'HTTP_GONE' || this.#options.onGone === 'bury')) {
      void this.#track(this.#fail(held, error)).then(() => this.#options.onSettled(held, error));
      return;
    }
    this.#acks.push({ held, error });
    // Of several that come due together the first one's sender takes them all.
    if (this.#acks.length === 1 && this.#acking < ACKS_AT_ONCE) void this.#track(this.#sendAcks());
  }

  async #sendAcks(): Promise<void> {
    const { queue, onSent, onSettled } = this.#options;
    this.#acking += 1;
    // Lets the other jobs of the same batch join.
    await Promise.resolve();
    while (this.#acks.length > 0) {
      const batch = this.#acks;
      this.#acks = [];
      try {
        const acked = queue.ack(batch.map(({ held }) => held.claim));
        for (const { held } of batch) onSent(held);
        await acked;
        this.#tellDone(batch);
      } catch (thrown) {
        this.#warn(thrown);
      }
      for (const { held, error } of batch) onSettled(held, error);
    }
    this.#acking -= 1;
  }

  #tellDone(acks: readonly Ack[]): void {
    const { queue, emit } = this.#options;
    const nowMs = performance.now();
    for (const { held } of acks) {
      const { jobId, taskNames, sinceMs } = held;
      emit('job:done', { queue: queue.name, jobId, tasks: taskNames, ms: nowMs - sinceMs });
    }
  }

  async #fail({ claim, jobId, taskNames: tasks }: HeldClaim, error: RunnerError): Promise<void> {
    const { queue, emit } = this.#options;
    const job = { queue: queue.name, jobId, tasks };
    if (!error.retryable) {
      await queue.bury(claim, { error });
      emit('job:buried', { ...job, reason: error.reason, error });
      return;
    }
    const delay = error.retryAfterMs === undefined ? {} : { minDelayMs: error.retryAfterMs };
    const outcome = await queue.retry(claim, { error, ...delay });
    if (outcome.kind === 'buried') emit('job:buried', { ...job, reason: error.reason, error });
    else emit('job:retried', { ...job, attempts: outcome.attempts, delayMs: outcome.delayMs, error });
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.catch((thrown: unknown) => this.#warn(thrown)).finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
    return tracked;
  }

  /** The queue keeps the element where it is; its own reconciliation, or another process, finds it there. */
  #warn(thrown: unknown): void {
    const { queue, emit } = this.#options;
    const message = `A job could not be settled: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    emit('queue:warning', { queue: queue.name, message });
  }
}
