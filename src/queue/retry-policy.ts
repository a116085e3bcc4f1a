import type { RunnerError } from '../errors.js';

/** The most that a server's wish (`Retry-After`) can put off a job. */
const MAX_WISH_MS = 3_600_000;

export interface BackoffOptions {
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

/**
 * Milliseconds to wait after the given failed attempt (1, 2, …): doubling up to the cap, of which a random part between
 * one half and the whole ("equal jitter"), so that jobs that failed together don't come back together.
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: () => number): number {
  const ceiling = Math.min(options.backoffMaxMs, options.backoffBaseMs * 2 ** (attempt - 1));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** `backoffMs()`, raised to what the failure asks for, but to one hour at most. */
export function retryDelayMs(
  attempt: number,
  options: BackoffOptions,
  random: () => number,
  minDelayMs: number | undefined,
): number {
  const wishMs = Math.min(MAX_WISH_MS, Math.max(0, Math.ceil(minDelayMs ?? 0)));
  return Math.max(backoffMs(attempt, options, random), wishMs);
}

/** How many attempts a job that failed so is worth: the queue's limit, or less where the error's code says so. */
export function attemptLimit(error: RunnerError, maxAttempts: number): number {
  return Math.min(maxAttempts, error.maxAttempts ?? maxAttempts);
}

/** Why a job whose attempts are spent lies in the dead letters. */
export function spentReason(error: RunnerError): string {
  // A file that was missing twice is `not_found`, which tells more than `exhausted`.
  return error.maxAttempts === undefined ? 'exhausted' : error.reason;
}
