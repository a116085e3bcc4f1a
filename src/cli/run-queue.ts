import { openMetrics } from '../observe/metrics.js';
import type { Queue } from '../queue/queue.js';
import { redisQueue } from '../queue/redis.js';
import type { Runner } from '../runner.js';
import { httpSink, type HttpSink } from '../sink/http.js';
import type { Log } from './log.js';
import { logEvents } from './log-events.js';
import { progressFacts, progressLine } from './progress.js';
import { REDIS_VARIABLES, redisOptions } from './redis-settings.js';
import { runUntilSignal } from './signals.js';
import { openHealth, openTraces, WATCH_VARIABLES } from './watch.js';
import type { Terminal } from './terminal.js';
import type { Settings, VariableName } from './variables.js';

const PROGRESS_EVERY_MS = 500;
const LOG_PROGRESS_EVERY_MS = 10_000;

/** The settings of every command that claims jobs, besides the names of its lists. */
export const QUEUE_VARIABLES = [
  ...REDIS_VARIABLES,
  'apiBaseUrl',
  'token',
  'maxAttempts',
  'onGone',
  'shutdownTimeoutMs',
  ...WATCH_VARIABLES,
  'traces',
  'logLevel',
] as const satisfies readonly VariableName[];

/** Where jobs of a kind come from; `deadLetterName` empty: the list's name with `_dlq`. */
interface QueueNames {
  readonly jobs: 'photo' | 'text';
  readonly name: string;
  readonly deadLetterName: string;
}

/** The list that jobs are claimed from, and the server that gets the callbacks. */
export interface QueueEnds {
  readonly queue: Queue;
  readonly sink: HttpSink;
}

/** @throws RunnerError `OPTIONS_INVALID` */
export function queueEnds(
  settings: Settings<(typeof QUEUE_VARIABLES)[number]>,
  { deadLetterName, ...names }: QueueNames,
): QueueEnds {
  const { maxAttempts, apiBaseUrl: baseUrl, token } = settings;
  const queue = redisQueue({
    ...redisOptions(settings),
    ...{ maxAttempts, ...names },
    ...(deadLetterName !== '' && { deadLetterName }),
  });
  return { queue, sink: httpSink({ baseUrl, token }) };
}

export interface QueueRun extends QueueEnds {
  readonly runner: Runner;
  readonly log: Log;
  readonly terminal: Terminal;
  /** What one job is called in logs and progress. */
  readonly noun: 'photo' | 'text';
  readonly settings: Settings<(typeof QUEUE_VARIABLES)[number] | 'batchTimeoutMs'>;
}

/** Claims jobs until a signal comes, with logs and progress. Answers the exit code. */
export async function runQueue(run: QueueRun): Promise<number> {
  const { runner, queue, sink, log, terminal, noun, settings } = run;
  if (!sink.hasToken)
    log.warn('PROCESSING_INTERNAL_TOKEN is empty: the server will refuse the callbacks unless it has none either');
  logEvents(runner, log, noun);
  await openTraces(settings);
  const metrics = settings.healthPort === undefined ? undefined : await openMetrics(runner, { queue });
  const closeHealth = await openHealth(runner, settings, metrics, log);
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
    return await runUntilSignal(runner, log, settings.shutdownTimeoutMs);
  } finally {
    stopPolling();
    for (const timer of timers) clearInterval(timer);
    terminal.progress('');
    await closeHealth();
    // Where the runner did not start it has not opened the queue; but to be asked for its depth it has connected.
    await queue.close({ deadlineMs: 0 });
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
