import type { RunnerError } from '../../errors.js';
import type { DownloadProgress } from '../../models/download.js';
import { createLog } from '../log.js';
import { Terminal } from '../terminal.js';
import { DownloadMeter } from './download-meter.js';

/** What a download tells, and what stops it. */
export interface DownloadReport {
  readonly onProgress: (progress: DownloadProgress) => void;
  readonly onFallback: (reason: RunnerError) => void;
  readonly signal: AbortSignal;
}

/**
 * Does what may download files of a model, and shows how far it is: a bar on a terminal, else a line in the log every
 * tenth of a file. Ctrl-C (or SIGTERM) stops it; a second one ends the process.
 * @throws what `action` throws; that is `RUNNER_STOPPED` after a signal
 */
export async function withReport<T>(
  model: string,
  logLevel: string,
  action: (report: DownloadReport) => Promise<T>,
): Promise<T> {
  const terminal = new Terminal();
  const log = createLog(logLevel, terminal);
  const meter = new DownloadMeter();
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  let lastTenth = '';

  function onProgress(progress: DownloadProgress): void {
    const { file, receivedBytes, totalBytes } = progress;
    terminal.progress(meter.line(progress));
    const tenth = `${file} ${totalBytes === 0 ? 10 : Math.floor((receivedBytes / totalBytes) * 10)}`;
    if (terminal.isTerminal || tenth === lastTenth) return;
    lastTenth = tenth;
    log.info({ model, file, receivedBytes, totalBytes }, 'downloading');
  }

  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await action({
      onProgress,
      onFallback: ({ code, message }) => log.warn({ model, code }, `the cached copy is used: ${message}`),
      signal: stopping.signal,
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    terminal.progress('');
  }
}
