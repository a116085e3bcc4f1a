/** How waits grow from try to try. */
export interface Backoff {
  /** The longest wait after the first failure, in milliseconds. */
  readonly baseMs: number;
  /** No wait is longer, in milliseconds. */
  readonly capMs: number;
}

/**
 * The wait after the n-th failure in a row: doubled each time up to the cap, of which the upper half is random, so that
 * runners that failed together don't come back together.
 */
export function backoffMs(failures: number, { baseMs, capMs }: Backoff, random: () => number): number {
  const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.max(0, failures - 1));
  return ceilingMs * (0.5 + random() / 2);
}
