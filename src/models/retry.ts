import { setTimeout } from 'node:timers/promises';
import { RunnerError } from '../errors.js';
import { TransientHubError } from './hub-failure.js';

/** When a failed request is tried again. */
export interface RetryPolicy {
  /** The first pause; later ones double. */
  readonly delayMs: number;
  /** Failures in a row, without progress between them, after which the last one is thrown. */
  readonly tries: number;
  /** From 0 up to 1; spreads the pauses so that many machines don't come back at once. */
  readonly random: () => number;
}

const MAX_PAUSE_MS = 60_000;

/** The pause after the n-th failure in a row (from 1): doubling, spread over its upper half, never above a minute. */
export function pauseAfter(
  failures: number,
  error: RunnerError,
  { delayMs, random }: Omit<RetryPolicy, 'tries'>,
): number {
  const backOffMs = delayMs * 2 ** (failures - 1) * (0.5 + random() / 2);
  return Math.min(Math.max(backOffMs, error.retryAfterMs ?? 0), MAX_PAUSE_MS);
}

/**
 * Waits before the next try.
 * @throws RunnerError `RUNNER_STOPPED` when the signal is aborted
 */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw stopped(error);
  }
}

export function stopped(cause: unknown): RunnerError {
  return new RunnerError('RUNNER_STOPPED', 'The download was stopped before it was done.', { cause });
}

/** Does an action again while it fails in a way that may pass. */
export async function retrying<T>(
  action: () => Promise<T>,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof TransientHubError) || failures >= policy.tries) throw error;
      await pause(pauseAfter(failures, error, policy), signal);
    }
  }
}
