import type { Clock } from '../clock.js';

/** Waits for `ms` milliseconds, or less where `signal` aborts first; never rejects. */
export function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** The promise's own end, or a rejection with the signal's reason where that aborts first. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      // The reason is whatever the owner of the signal gave; callers look at `signal.aborted`, not at the error.
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      promise.catch(() => undefined);
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The promise's own end where that comes within `ms` milliseconds, else `undefined`; a rejection counts as an end. */
export function within<T>(ms: number, promise: Promise<T>, clock: Clock): Promise<T | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(undefined));
    promise.then(resolve, () => resolve(undefined)).finally(cancel);
  });
}

/**
 * One signal that aborts with the first of several. Unlike `AbortSignal.any()` it lets go of long-lived signals when it
 * is disposed of, so that thousands of short waits leave no listener behind.
 */
export function anySignal(signals: readonly AbortSignal[]): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const abort = (event: Event): void => controller.abort((event.target as AbortSignal).reason);
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  }
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) signal.removeEventListener('abort', abort);
    },
  };
}
