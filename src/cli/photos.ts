import { hubOptionsFromEnv } from '../models/hub-options.js';
import type { RunnerOptions } from '../options.js';
import { redisQueue } from '../queue/redis.js';
import { createRunner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import { faceOptions } from './face-settings.js';
import { createLog, type Log } from './log.js';
import { logEvents } from './log-events.js';
import { progressLine } from './progress.js';
import { runUntilSignal } from './signals.js';
import { Terminal } from './terminal.js';
import type { Settings } from './variables.js';

const PROGRESS_EVERY_MS = 500;
const LOG_PROGRESS_EVERY_MS = 10_000;

/** `clip-runner photos`: claims photo jobs until it is told to stop. Answers the exit code. */
export async function runPhotos(settings: Settings, env: NodeJS.ProcessEnv): Promise<number> {
  const terminal = new Terminal();
  const log = createLog(settings.logLevel, terminal);
  const queue = redisQueue({
    url: settings.redisUrl,
    name: settings.queueName,
    maxAttempts: settings.maxAttempts,
    ...(settings.deadLetterName === '' ? {} : { deadLetterName: settings.deadLetterName }),
  });
  const faces = await faceOptions(settings, env, log);
  const runner = createRunner({
    ...runnerOptions(settings, env),
    ...faces,
    tasks: faces === undefined ? ['clip'] : ['clip', 'face'],
    queue,
    sink: httpSink({ baseUrl: settings.apiBaseUrl, token: settings.token }),
  });
  logEvents(runner, log);
  sayWhatIsMissing(settings, log);

  let waiting = 0;
  const timers = [
    setInterval(() => {
      if (terminal.isTerminal) terminal.progress(progressLine(runner.stats(), waiting));
    }, PROGRESS_EVERY_MS),
    setInterval(() => {
      if (!terminal.isTerminal) log.info(progressFacts(runner.stats(), waiting), 'progress');
    }, LOG_PROGRESS_EVERY_MS),
  ];
  const stopPolling = poll(async () => (waiting = (await queue.depth()).waiting));
  try {
    return await runUntilSignal(runner, log, settings.shutdownTimeoutMs);
  } finally {
    stopPolling();
    for (const timer of timers) clearInterval(timer);
    terminal.progress('');
  }
}

/** The options that every command with a runner shares. */
function runnerOptions(settings: Settings, env: NodeJS.ProcessEnv): RunnerOptions {
  const { dtype, device, strictDevice, maxBatch, maxWaitMs, threads, intraOpThreads, resample, orientation } = settings;
  const roots = [settings.projectRoot, settings.uploadBaseDir].filter((root) => root !== '');
  return {
    models: settings.models === '' ? [{ label: settings.modelLabel, name: settings.modelName }] : settings.models,
    ...{ dtype, device, strictDevice, maxBatch, maxWaitMs, threads, intraOpThreads, resample, orientation },
    embeddingDim: settings.embeddingDim,
    onGone: settings.onGone,
    shutdownTimeoutMs: settings.shutdownTimeoutMs,
    roots: roots.length === 0 ? [process.cwd()] : roots,
    hub: hubOptionsFromEnv(env),
  };
}

/** Said once at the start, so that nobody waits for what this version does not do. */
function sayWhatIsMissing(settings: Settings, log: Log): void {
  const missing = ['ocr', ...(settings.captionEnabled ? ['caption (CAPTION_ENABLED=1)'] : [])];
  log.warn({ tasks: missing }, 'not supported yet: these tasks are passed over, a job is done without them');
  if (settings.token === '')
    log.warn('PROCESSING_INTERNAL_TOKEN is empty: the server will refuse the callbacks unless it has none either');
}

function progressFacts(
  { jobs, jobsPerSecond }: ReturnType<ReturnType<typeof createRunner>['stats']>,
  waiting: number,
): object {
  return {
    done: jobs.done,
    photosPerSecond: Number(jobsPerSecond.toFixed(2)),
    waiting,
    failed: jobs.buried,
    inFlight: jobs.inFlight,
  };
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
