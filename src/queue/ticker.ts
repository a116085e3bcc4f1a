import type { Clock } from '../clock.js';

export interface TickerOptions {
  readonly everyMs: number;
  /** Share of `everyMs` by which each wait may be shorter or longer; keeps a fleet from knocking all at once. */
  readonly jitter: number;
  /** @default everyMs */
  readonly firstMs?: number;
  readonly random: () => number;
  readonly clock: Clock;
  /** One round; must not reject. The next wait begins when it has ended. */
  run(): Promise<void>;
}

export interface Ticker {
  /** No further round begins; resolves when a running one has ended. */
  stop(): Promise<void>;
}

/** Does something again and again with pauses in between. */
export function startTicker(options: TickerOptions): Ticker {
  const { everyMs, jitter, random, clock } = options;
  let running: Promise<void> = Promise.resolve();
  let isStopped = false;
  let cancel: () => void;

  const wait = (ms: number): void => {
    cancel = clock.after(ms * (1 - jitter + 2 * jitter * random()), () => {
      running = options.run().finally(() => {
        if (!isStopped) wait(everyMs);
      });
    });
  };
  wait(options.firstMs ?? everyMs);

  return {
    stop: () => {
      isStopped = true;
      cancel();
      return running;
    },
  };
}
