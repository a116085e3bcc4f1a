import { stopped } from './retry.js';
import { TransientHubError } from './hub-failure.js';

/** Ends a request that makes no progress, and one whose caller has given up. */
export interface StallGuard {
  readonly signal: AbortSignal;
  /** Tells that something came; the deadline starts anew. */
  progress(): void;
  /** Lets go of the timer and the listener; to be called in any case. */
  release(): void;
}

/** Starts a deadline of `timeoutMs` without progress; the signal's reason is the error to throw. */
export function createStallGuard(timeoutMs: number, outer: AbortSignal | undefined): StallGuard {
  const controller = new AbortController();
  const onStall = (): void => {
    controller.abort(new TransientHubError(`The hub sent nothing for ${timeoutMs} ms.`));
  };
  const onAbort = (): void => {
    controller.abort(stopped(outer?.reason));
  };
  const timer = setTimeout(onStall, timeoutMs);
  if (outer?.aborted === true) onAbort();
  else outer?.addEventListener('abort', onAbort, { once: true });

  return {
    signal: controller.signal,
    progress: () => void timer.refresh(),
    release() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}
