import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to go on. */
export class VirtualClock {
  readonly #timers = new Set<Timer>();
  #nowMs: number;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Goes on by `ms`, running each timer at its time and, before it, what earlier ones have set off. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await turnOfTheLoop();
    for (let timer = this.#next(); timer !== undefined && timer.atMs <= untilMs; timer = this.#next()) {
      await this.#run(timer);
    }
    this.#nowMs = untilMs;
  }

  /** Goes on to the next timer and runs it; false where there is none. */
  async step(): Promise<boolean> {
    await turnOfTheLoop();
    const timer = this.#next();
    if (timer !== undefined) await this.#run(timer);
    return timer !== undefined;
  }

  async #run(timer: Timer): Promise<void> {
    this.#timers.delete(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    await turnOfTheLoop();
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer;
    return first;
  }
}
