import { RunnerError } from '../errors.js';
import type { SharedAbort } from './shared-abort.js';

/** Why a wait at the gate ended; see `Courier.whenClosed`. */
export type Go = 'closed' | 'witness';

interface Waiter {
  pass(go: Go): void;
  turnAway(error: RunnerError): void;
}

/** Where those wait who want to begin more work. */
export class Gate {
  readonly #aborts: SharedAbort;
  readonly #waiting = new Set<Waiter>();

  constructor(aborts: SharedAbort) {
    this.#aborts = aborts;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Waits for the next `open()`.
   * @throws RunnerError `RUNNER_STOPPED` when the signal aborts, or what `close()` is given.
   */
  wait(signal: AbortSignal): Promise<Go> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        unwatch();
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        pass(go) {
          leave();
          resolve(go);
        },
        turnAway(error) {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void =>
        waiter.turnAway(new RunnerError('RUNNER_STOPPED', 'The wait for the server was stopped.'));
      const unwatch = this.#aborts.watch(signal, onAbort);
      this.#waiting.add(waiter);
    });
  }

  /** Lets all go who wait now. */
  open(go: Go): void {
    for (const waiter of this.#waiting) waiter.pass(go);
  }

  /** Turns all away who wait now. */
  close(error: RunnerError): void {
    for (const waiter of this.#waiting) waiter.turnAway(error);
  }
}
