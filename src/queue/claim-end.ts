import type { Clock } from '../clock.js';
import { anySignal } from './waiting.js';

/**
 * When a claim is over: at its time, or when it is called off. One signal of all that costs as much as several jobs, so it is made
 * where something has to wait for it; mostly nothing has.
 */
export class ClaimEnd {
  /** Any of them calls the claim off. */
  readonly callers: readonly AbortSignal[];
  readonly untilMs: number;
  readonly #clock: Clock;
  #either: AbortSignal | undefined;
  #dispose: () => void = () => undefined;

  constructor(callers: readonly AbortSignal[], timeoutMs: number, clock: Clock) {
    this.untilMs = clock.now() + timeoutMs;
    this.callers = callers;
    this.#clock = clock;
  }

  isOver(): boolean {
    return this.isCalledOff() || this.#either?.aborted === true || this.#clock.now() >= this.untilMs;
  }

  isCalledOff(): boolean {
    return this.callers.some(({ aborted }) => aborted);
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    this.#either ??= this.#makeSignal();
    return this.#either;
  }

  /** Lets go of timer and callers. */
  dispose(): void {
    this.#dispose();
  }

  #makeSignal(): AbortSignal {
    const deadline = new AbortController();
    const cancel = this.#clock.after(Math.max(0, this.untilMs - this.#clock.now()), () => deadline.abort());
    const either = anySignal([...this.callers, deadline.signal]);
    this.#dispose = () => {
      cancel();
      either.dispose();
    };
    return either.signal;
  }
}
