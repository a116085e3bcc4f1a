import type { Clock } from '../clock.js';

/** The rate is that of the last minute. */
const RATE_OVER_MS = 60_000;

/** What one consumer has done, for its heartbeat. */
export interface PulseFacts {
  /** Jobs acknowledged, sent to be tried again, and buried since it started. */
  readonly done: number;
  readonly retried: number;
  readonly buried: number;
  /** Jobs acknowledged per second, over the last minute or since the start. */
  readonly donePerSecond: number;
}

/** Counts what a consumer settles. */
export class Pulse {
  readonly #clock: Clock;
  readonly #counts = { done: 0, retried: 0, buried: 0 };
  /** Counts at earlier beats, the oldest first; one of them a minute old or older. */
  #beats: readonly { readonly atMs: number; readonly done: number }[];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beats = [{ atMs: clock.now(), done: 0 }];
  }

  count(what: 'done' | 'retried' | 'buried', jobs: number): void {
    this.#counts[what] += jobs;
  }

  /** Called with each beat. */
  beat(): PulseFacts {
    const nowMs = this.#clock.now();
    const { done } = this.#counts;
    const [first = { atMs: nowMs, done }] = this.#beats;
    const seconds = (nowMs - first.atMs) / 1000;
    const donePerSecond = seconds > 0 ? Number(((done - first.done) / seconds).toFixed(3)) : 0;
    const firstKept = this.#beats.findLastIndex(({ atMs }) => nowMs - atMs >= RATE_OVER_MS);
    this.#beats = [...this.#beats.slice(Math.max(0, firstKept)), { atMs: nowMs, done }];
    return { ...this.#counts, donePerSecond };
  }
}
