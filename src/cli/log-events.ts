import type { ErrorCode } from '../errors.js';
import type { RunnerEvents } from '../events.js';
import { noCommerceText } from '../licence.js';
import type { Runner } from '../runner.js';
import type { Log } from './log.js';

/** Failures of jobs whose photo was deleted meanwhile: part of a gallery's life. */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['FILE_NOT_FOUND', 'HTTP_GONE']);

/** Writes a runner's events to the log; `noun` names the id of a job there. */
export function logEvents(runner: Runner, log: Log, noun: 'photo' | 'text'): void {
  runner.on('model:progress', logDownloads(log));
  runner.on('model:licence', (model) => logLicence(model, log));
  logReadiness(runner, log);
  runner.on('runner:stopping', ({ deadlineMs }) => log.info({ deadlineMs }, 'stopping'));
  runner.on('runner:stopped', ({ unfinished }) => log.info({ unfinished }, 'stopped'));
  runner.on('runner:failed', ({ error }) => log.error({ code: error.code }, error.message));

  logChildren(runner, log);

  runner.on('job:done', ({ jobId, ms }) => log.debug({ [noun]: jobId, ms: Math.round(ms) }, 'done'));
  runner.on('job:ignored', ({ jobId, tasks }) => log.debug({ [noun]: jobId, tasks }, 'tasks not done by this runner'));
  runner.on('job:retried', ({ jobId, attempts, delayMs, error }) =>
    log.warn(
      { [noun]: jobId, attempts, delayMs: Math.round(delayMs), code: error.code },
      `will be tried again: ${error.message}`,
    ),
  );
  runner.on('job:warning', ({ jobId, unit, message }) => log.warn({ photo: jobId, unit }, message));
  runner.on('job:buried', ({ jobId, reason, error }) =>
    log[GONE.has(error.code) ? 'info' : 'warn'](
      { [noun]: jobId, reason, code: error.code },
      `dead letter: ${error.message}`,
    ),
  );
  runner.on('stage:measured', ({ stage, ms, count, unit }) =>
    log.trace({ stage, ms: Math.round(ms), count, unit }, 'stage'),
  );
  runner.on('callback:delivered', ({ jobId, unit, ms }) =>
    log.debug({ [noun]: jobId, unit, ms: Math.round(ms) }, 'callback delivered'),
  );
  runner.on('callback:failed', ({ jobId, unit, error }) =>
    log.debug({ [noun]: jobId, unit, code: error.code }, 'callback failed'),
  );
  runner.on('callback:held', ({ jobId, unit, tries, error }) =>
    log.debug({ [noun]: jobId, unit, tries, code: error.code }, 'callback held'),
  );
  runner.on('sink:down', ({ error }) =>
    log.warn({ code: error.code }, `the server is down, results are kept: ${error.message}`),
  );
  runner.on('sink:paused', ({ pauseMs }) => log.warn({ pauseMs }, 'the server asked for a pause'));
  runner.on('sink:up', ({ downMs }) => log.info({ downMs: Math.round(downMs) }, 'the server is up again'));

  runner.on('queue:down', ({ queue, error }) =>
    log.warn({ queue, code: error.code }, `Redis is down: ${error.message}`),
  );
  runner.on('queue:up', ({ queue }) => log.info({ queue }, 'Redis is up again'));
  runner.on('queue:adopted', (event) => log.info(event, 'found claims whose reply was lost'));
  runner.on('queue:lease-lost', (event) => log.warn(event, 'another runner took jobs of ours for lost'));
  runner.on('queue:reaped', (event) => log.warn(event, 'recovered jobs of a runner that died'));
  runner.on('queue:promoted', (event) => log.debug(event, 'retries are due'));
  runner.on('queue:warning', ({ queue, message }) => log.warn({ queue }, message));
}

function logChildren(runner: Runner, log: Log): void {
  runner.on('child:started', ({ lane, pid, reason, loadMs, rssBytes }) =>
    log.info({ lane, pid, reason, loadMs: Math.round(loadMs), rssBytes }, 'child process started'),
  );
  runner.on('child:died', ({ lane, pid, code, signal, items, error }) =>
    log.error({ lane, pid, exitCode: code, signal, items, code: error.code }, error.message),
  );
  runner.on('batch:limited', (event) => log.warn({ ...event }, 'memory sets the size of batches'));
  runner.on('child:recycled', ({ lane, pid, reason }) => log.info({ lane, pid, reason }, 'child process replaced'));
}

/** Says when models are ready to work. */
export function logReadiness(runner: Runner, log: Log): void {
  runner.on('model:ready', ({ refusals, ...model }) =>
    log.info({ ...model, ...(refusals.length > 0 && { refusals }) }, 'model ready'),
  );
  runner.on('runner:ready', ({ loadMs, ...plan }) => log.info({ ...plan, loadMs: Math.round(loadMs) }, 'ready'));
}

/** Says that a model is not for every use. */
export function logLicence(model: RunnerEvents['model:licence'], log: Log): void {
  log.warn({ ...model }, noCommerceText(model.licence));
}

/** A listener that tells a download's progress in tenths. */
export function logDownloads(log: Log): (progress: RunnerEvents['model:progress']) => void {
  const downloads = new Map<string, number>();
  return ({ label, file, receivedBytes, totalBytes }) => {
    const tenth = totalBytes > 0 ? Math.floor((receivedBytes / totalBytes) * 10) : 0;
    if (downloads.get(file) === tenth) return;
    downloads.set(file, tenth);
    log.info({ model: label, file, receivedBytes, totalBytes }, 'downloading');
  };
}
