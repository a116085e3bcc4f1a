import type { Clock } from '../clock.js';
import { anySignal } from './waiting.js';

/**
 * When a claim is over: at its time, or when its caller turns away. A signal of both costs as much as several jobs, so it is
 * made where something has to wait for it; mostly nothing has.
 */
export class ClaimEnd {
  readonly untilMs: number;
  readonly #caller: AbortSignal;
  readonly #clock: Clock;
  #either: AbortSignal | undefined;
  #dispose: () => void = () => undefined;

  constructor(caller: AbortSignal, timeoutMs: number, clock: Clock) {
    this.untilMs = clock.now() + timeoutMs;
    this.#caller = caller;
    this.#clock = clock;
  }

  isOver(): boolean {
    return this.#caller.aborted || this.#either?.aborted === true || this.#clock.now() >= this.untilMs;
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    this.#either ??= this.#makeSignal();
    return this.#either;
  }

  /** Lets go of timer and caller. */
  dispose(): void {
    this.#dispose();
  }

  #makeSignal(): AbortSignal {
    const deadline = new AbortController();
    const cancel = this.#clock.after(Math.max(0, this.untilMs - this.#clock.now()), () => deadline.abort());
    const either = anySignal([this.#caller, deadline.signal]);
    this.#dispose = () => {
      cancel();
      either.dispose();
    };
    return either.signal;
  }
}
