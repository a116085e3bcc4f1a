import type { RunnerError } from '../errors.js';
import type { QueueListener } from './queue.js';

/** The parts of a queue that can be in trouble, each by itself. */
export type HealthPart =
  'commands' | 'blocking' | 'letters' | 'claim' | 'settle' | 'beat' | 'promote' | 'reap' | 'outbox';

/** Turns the troubles of several parts into one `down` when the first begins, and one `up` when the last ends. */
export class QueueHealth {
  readonly #emit: QueueListener;
  readonly #faults = new Map<HealthPart, RunnerError>();

  constructor(emit: QueueListener) {
    this.#emit = emit;
  }

  fail(part: HealthPart, error: RunnerError): void {
    // A trouble of another kind is news even while one lasts.
    const isNews = [...this.#faults.values()].every(({ code }) => code !== error.code);
    this.#faults.set(part, error);
    if (isNews) this.#emit({ type: 'down', error });
  }

  succeed(part: HealthPart): void {
    if (this.#faults.delete(part) && this.#faults.size === 0) this.#emit({ type: 'up' });
  }
}
