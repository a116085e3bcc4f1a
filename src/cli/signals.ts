import type { RunnerError } from '../errors.js';
import type { Runner } from '../runner.js';
import type { Log } from './log.js';

/** Time left to a stop after a second signal. */
const HURRY_MS = 500;

/** What is started and stopped: a runner, or something around one. */
export type Stoppable = Pick<Runner, 'on' | 'start' | 'stop'>;

/**
 * Starts a runner and waits until SIGTERM or SIGINT has stopped it, or it failed by itself. A second signal hurries.
 * Answers the exit code: 0 after a signal, 1 after a failure.
 */
export async function runUntilSignal(runner: Stoppable, log: Log, shutdownTimeoutMs: number): Promise<number> {
  const failures: RunnerError[] = [];
  const signals: NodeJS.Signals[] = [];
  const onSignal = (signal: NodeJS.Signals): void => {
    signals.push(signal);
    const isFirst = signals.length === 1;
    log.info({ signal }, isFirst ? 'stopping; a second signal hurries' : 'second signal: hurrying');
    void runner.stop({ deadlineMs: isFirst ? shutdownTimeoutMs : HURRY_MS });
  };
  const stopped = new Promise<void>((resolve) => {
    runner.on('runner:failed', ({ error }) => failures.push(error));
    runner.on('runner:stopped', () => resolve());
  });
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await runner.start();
    await stopped;
  } catch (thrown) {
    if (signals.length === 0) throw thrown;
    await runner.stop();
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
  return failures.length === 0 ? 0 : 1;
}
