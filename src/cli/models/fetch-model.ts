import type { ClipModel, ModelName } from '../../model.js';
import type { DownloadProgress } from '../../models/download.js';
import { resolveClipModel, type ResolveOptions } from '../../models/resolve.js';
import { createLog } from '../log.js';
import { Terminal } from '../terminal.js';
import { DownloadMeter } from './download-meter.js';

export interface Fetching {
  readonly options: ResolveOptions;
  readonly logLevel: string;
}

/**
 * Downloads what a model lacks: a bar on a terminal, else a line in the log every tenth of a file. Ctrl-C (or SIGTERM)
 * stops it; a second one ends the process.
 * @throws RunnerError as `resolveClipModel()`; `RUNNER_STOPPED` after a signal
 */
export async function fetchModel(model: ModelName, { options, logLevel }: Fetching): Promise<ClipModel> {
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
    log.info({ model: model.name, file, receivedBytes, totalBytes }, 'downloading');
  }

  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await resolveClipModel(model, {
      ...options,
      onProgress,
      onFallback: ({ code, message }) => log.warn({ model: model.name, code }, `the cached copy is used: ${message}`),
      signal: stopping.signal,
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    terminal.progress('');
  }
}
