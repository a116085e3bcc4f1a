/** The end of a stop, seen from its begin; can be brought forward, never put off. */
export class Deadline {
  readonly #startedAt = performance.now();
  #totalMs: number;
  readonly #onShorter = new Set<() => void>();

  constructor(totalMs: number) {
    this.#totalMs = withinTimerRange(totalMs);
  }

  /** Brings the end forward to `ms` from now, unless it is earlier already. */
  shorten(ms: number): void {
    const totalMs = performance.now() - this.#startedAt + withinTimerRange(ms);
    if (totalMs >= this.#totalMs) return;
    this.#totalMs = totalMs;
    for (const wake of this.#onShorter) wake();
  }

  /** Time left, but at least `leastMs`. */
  remainingMs(leastMs = 0): number {
    return Math.max(leastMs, this.#totalMs - (performance.now() - this.#startedAt));
  }

  /**
   * Waits for `work`, but only until `pointOf(totalMs)` milliseconds after the begin. Answers whether the work ended;
   * rejections of the work are its owner's.
   */
  async reaches(work: Promise<unknown>, pointOf: (totalMs: number) => number): Promise<boolean> {
    const leftMs = (): number => pointOf(this.#totalMs) - (performance.now() - this.#startedAt);
    const done = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      if (await this.#either(done, Math.max(0, leftMs()))) return true;
      if (leftMs() <= 0) return false;
    }
  }

  /** Resolves with true when the work ends, with false when the time is over or the deadline was brought forward. */
  #either(done: Promise<boolean>, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isDone: boolean): void => {
        clearTimeout(timer);
        this.#onShorter.delete(wake);
        resolve(isDone);
      };
      const wake = (): void => finish(false);
      const timer = setTimeout(wake, ms);
      this.#onShorter.add(wake);
      void done.then(finish);
    });
  }
}

/** The longest time that a timer can wait, in milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;

function withinTimerRange(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MAX_TIMER_MS);
}

/** The work's own end, or a rejection with the signal's reason as soon as it aborts; how the work then ends is not told. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
