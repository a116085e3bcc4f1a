/** Time as a dependency, so that tests can hold it in hand. */
export interface Clock {
  /** Milliseconds that only ever go forward. */
  now(): number;
  /** Calls back once; the answer cancels. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
