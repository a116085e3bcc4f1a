import type { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import type { JobVerdict } from './job.js';
import type { Claim, Queue } from './queue/queue.js';

export interface SettlerOptions {
  readonly queue: Queue;
  readonly emit: Emit;
  readonly onGone: 'bury' | 'ack';
}

/** What is told of a job when it ends. */
export interface JobFacts {
  /** Empty where the element could not be understood. */
  readonly jobId: string;
  /** What this runner does for it. */
  readonly tasks: readonly string[];
  /** When it was claimed, by `performance.now()`. */
  readonly startedAt: number;
}

interface Ack {
  readonly claim: Claim;
  readonly job: JobFacts;
  readonly onSent: () => void;
  readonly onAcked: () => void;
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

  /**
   * Resolves when the queue knows. A job that was stopped is left as it is: the queue gives it back when it closes. `onSent` is
   * called where its ack is on its way: whatever is asked of the queue from then on comes after it.
   */
  settle(claim: Claim, job: JobFacts, verdict: JobVerdict, onSent: () => void): Promise<void> {
    if (verdict.kind === 'failed') {
      const { error } = verdict;
      if (error.code === 'RUNNER_STOPPED') return Promise.resolve();
      if (error.code !== 'HTTP_GONE' || this.#options.onGone === 'bury')
        return this.#track(this.#fail(claim, job, error));
    }
    return new Promise((resolve) => {
      this.#acks.push({ claim, job, onSent, onAcked: resolve });
      if (this.#acking < ACKS_AT_ONCE) void this.#track(this.#sendAcks());
    });
  }

  async #sendAcks(): Promise<void> {
    const { queue, emit } = this.#options;
    this.#acking += 1;
    // Lets the other jobs of the same batch join.
    await Promise.resolve();
    while (this.#acks.length > 0) {
      const batch = this.#acks;
      this.#acks = [];
      try {
        const acked = queue.ack(batch.map(({ claim }) => claim));
        for (const { onSent } of batch) onSent();
        await acked;
        for (const { job } of batch) {
          const { jobId, tasks, startedAt } = job;
          emit('job:done', { queue: queue.name, jobId, tasks, ms: performance.now() - startedAt });
        }
      } catch (thrown) {
        this.#warn(thrown);
      }
      for (const { onAcked } of batch) onAcked();
    }
    this.#acking -= 1;
  }

  async #fail(claim: Claim, { jobId, tasks }: JobFacts, error: RunnerError): Promise<void> {
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
