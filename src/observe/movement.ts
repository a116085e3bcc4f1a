import type { EventName } from '../events.js';
import type { Watched } from './watched.js';

/** Any of these is a sign that the work goes on. */
const MOVES = [
  'job:claimed',
  'batch:started',
  'batch:finished',
  'stage:measured',
  'callback:delivered',
  'callback:held',
  'callback:failed',
  'job:done',
  'job:retried',
  'job:buried',
  'child:started',
  'sink:up',
  'queue:up',
] as const satisfies readonly EventName[];

/** Whether the work in hand goes on. */
export class Movement {
  readonly #runner: Watched;
  readonly #now: () => number;
  #movedAt: number;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(runner: Watched, now: () => number) {
    this.#runner = runner;
    this.#now = now;
    this.#movedAt = now();
    for (const name of MOVES) runner.on(name, () => (this.#movedAt = Math.max(this.#movedAt, now())));
    // A pause that the server has asked for is no standstill.
    runner.on('sink:paused', ({ pauseMs }) => (this.#movedAt = now() + pauseMs));
  }

  /**
   * Milliseconds for which nothing has come of the work in hand; 0 while there is none, and while the server or the queue
   * is down: starting again would not bring those back.
   */
  stalledMs(): number {
    const { jobs, lanes, queues, isSinkDown } = this.#runner.stats();
    const isIdle = jobs.inFlight === 0 && lanes.every(({ waiting, running }) => waiting + running === 0);
    if (isIdle || isSinkDown || queues.some(({ isDown }) => isDown)) {
      this.#movedAt = Math.max(this.#movedAt, this.#now());
      return 0;
    }
    return Math.max(0, this.#now() - this.#movedAt);
  }
}
