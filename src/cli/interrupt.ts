import { RunnerError } from '../errors.js';

/** How a command that comes to an end by itself is ended before. */
export interface Interrupt {
  /** Aborted by the first SIGINT or SIGTERM, or by `fail()`. */
  readonly signal: AbortSignal;
  /** Ends the work with an error. */
  fail(error: RunnerError): void;
  /** Gives the signals back to Node.js. */
  release(): void;
}

/** Takes SIGINT and SIGTERM: the first one aborts, each further one calls `hurry`. */
export function interruptible(hurry: () => void): Interrupt {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) hurry();
    else controller.abort(new RunnerError('RUNNER_STOPPED', `Stopped by ${name} before it was done.`));
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  return {
    signal: controller.signal,
    fail: (error) => controller.abort(error),
    release: () => process.off('SIGTERM', onSignal).off('SIGINT', onSignal),
  };
}
