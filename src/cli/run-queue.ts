import type { Queue } from '../queue/queue.js';
import type { Runner } from '../runner.js';
import type { Log } from './log.js';
import { logEvents } from './log-events.js';
import { progressFacts, progressLine } from './progress.js';
import { runUntilSignal } from './signals.js';
import type { Terminal } from './terminal.js';

const PROGRESS_EVERY_MS = 500;
const LOG_PROGRESS_EVERY_MS = 10_000;

export interface QueueRun {
  readonly runner: Runner;
  readonly queue: Queue;
  readonly log: Log;
  readonly terminal: Terminal;
  /** What one job is called in logs and progress. */
  readonly noun: 'photo' | 'text';
  readonly shutdownTimeoutMs: number;
}

/** Claims jobs until a signal comes, with logs and progress. Answers the exit code. */
export async function runQueue({ runner, queue, log, terminal, noun, shutdownTimeoutMs }: QueueRun): Promise<number> {
  logEvents(runner, log, noun);
  let waiting = 0;
  const timers = [
    setInterval(() => {
      if (terminal.isTerminal) terminal.progress(progressLine(runner.stats(), waiting, noun));
    }, PROGRESS_EVERY_MS),
    setInterval(() => {
      if (!terminal.isTerminal) log.info(progressFacts(runner.stats(), waiting, noun), 'progress');
    }, LOG_PROGRESS_EVERY_MS),
  ];
  const stopPolling = poll(async () => (waiting = (await queue.depth()).waiting));
  try {
    return await runUntilSignal(runner, log, shutdownTimeoutMs);
  } finally {
    stopPolling();
    for (const timer of timers) clearInterval(timer);
    terminal.progress('');
  }
}

/** Calls `ask` once a second, one call at a time; failures (Redis away) are the queue's to report. */
function poll(ask: () => Promise<unknown>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const again = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => void ask().then(again, again), 1000);
  };
  again();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
