import type { EventName, RunnerEvents } from '../events.js';
import type { RunnerStats } from '../stats.js';

/** What is watched; a `Runner` is one. */
export interface Watched {
  /** Subscribes to an event; answers a function that ends the subscription. */
  on<Name extends EventName>(name: Name, listener: (event: RunnerEvents[Name]) => void): () => void;
  /** Counts since it was made, and what it does now. */
  stats(): RunnerStats;
}

/** A queue that can say how many jobs are where; a `Queue` is one. */
export interface WatchedQueue {
  readonly name: string;
  /** How many elements are where. May reject. */
  depth(): Promise<{
    readonly waiting: number;
    readonly inFlight: number;
    readonly retry: number;
    readonly suspects: number;
    readonly dead: number;
  }>;
}
