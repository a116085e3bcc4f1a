import { setTimeout as sleep } from 'node:timers/promises';
import { coerceError, systemCode, type RunnerError } from '../errors.js';
import { backoffMs } from '../sink/backoff.js';
import { isStaleConnection } from '../sink/network-error.js';

/** Failures in a row after which the last one is thrown: some ten seconds where the server names no time. */
const TRIES = 5;
const BACKOFF = { baseMs: 1_000, capMs: 30_000 };

/** How a tool waits before it asks a server once more. */
export interface Patience {
  /** Ends a wait. */
  readonly signal: AbortSignal;
  /** A try failed; the next one is made after this time. */
  readonly onWait: (waitMs: number, error: RunnerError) => void;
  /** @default a timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Asks again while a failure may pass, with growing waits in between; a server that names a time (`Retry-After`) is not asked
 * before. A connection that broke is replaced once at once.
 * @throws RunnerError the last failure; also where the signal ends a wait
 */
export async function askAgain<T>(
  ask: () => Promise<T>,
  mayPass: (error: RunnerError) => boolean,
  { signal, onWait, wait = timer }: Patience,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (thrown) {
      const error = coerceError(thrown);
      if (signal.aborted || failures === TRIES || !mayPass(error)) throw error;
      const isAtOnce = failures === 1 && isStaleConnection(error.cause);
      const waitMs = isAtOnce ? 0 : Math.max(error.retryAfterMs ?? 0, backoffMs(failures, BACKOFF, Math.random));
      onWait(waitMs, error);
      await wait(waitMs, signal).catch(() => {
        throw error;
      });
    }
  }
}

/** Whether a request that only reads may succeed later. One that took too long (`--timeout`) would do so again. */
export function mayReadLater({ code, cause }: RunnerError): boolean {
  if (code === 'HTTP_TIMEOUT') return systemCode(cause) !== undefined;
  // With a cause it is an answer that can't be read, and not a status.
  if (code === 'HTTP_SERVER_ERROR') return cause === undefined;
  return code === 'HTTP_RATE_LIMITED' || code === 'HTTP_UNAVAILABLE';
}

async function timer(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
