import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { coerceError, RunnerError } from '../errors.js';
import { cacheFailure } from './cache.js';
import { TransientHubError } from './hub-failure.js';
import type { ResolvedHubOptions } from './hub-options.js';
import type { RemoteFile } from './hub.js';
import { PartialFile } from './partial-file.js';
import { pause, pauseAfter } from './retry.js';
import { createStallGuard } from './stall-guard.js';
import { networkFailure, readBody, type HubTransport } from './transport.js';

export interface DownloadProgress {
  /** Path of the file in its repository. */
  readonly file: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadContext {
  readonly transport: HubTransport;
  readonly options: ResolvedHubOptions;
  /** Is told at most once a MiB, and at the end. What it throws is ignored. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Failures in a row that brought no byte, after which the hub counts as unreachable. */
const TRIES_WITHOUT_PROGRESS = 5;
/** Requests for one file, even if each brings something. */
const MAX_REQUESTS = 100;
const PROGRESS_STEP_BYTES = 1024 ** 2;
/** A living download writes or gives up within the stall timeout, and pauses for a minute at most between tries. */
const STALE_AFTER_STALLS = 3;

/**
 * Downloads one file to `target`: to a name of its own first, resumed where the connection broke, checked against the
 * hub's size and hash, then renamed. Content that is wrong is fetched once more from the start.
 * @throws RunnerError `MODEL_DOWNLOAD`, `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function downloadFile(
  url: URL,
  file: RemoteFile,
  target: string,
  context: DownloadContext,
): Promise<void> {
  const { maxFileBytes, stallTimeoutMs } = context.options;
  if (file.sizeBytes > maxFileBytes) {
    throw new RunnerError(
      'MODEL_DOWNLOAD',
      `${file.path} has ${file.sizeBytes} bytes; the option maxFileBytes allows ${maxFileBytes}.`,
    );
  }
  await mkdir(dirname(target), { recursive: true });
  const partial = await PartialFile.open(target, file, STALE_AFTER_STALLS * stallTimeoutMs);
  try {
    await receiveRightContent(url, file, partial, context);
    await partial.commit();
  } catch (error) {
    const isWorthKeeping = error instanceof TransientHubError || coerceError(error).code === 'RUNNER_STOPPED';
    await partial.abandon(isWorthKeeping).catch(() => undefined); // The first error counts.
    throw error;
  }
}

async function receiveRightContent(
  url: URL,
  file: RemoteFile,
  partial: PartialFile,
  context: DownloadContext,
): Promise<void> {
  if (await receive(url, file, partial, context)) return;
  await partial.restart();
  if (await receive(url, file, partial, context)) return;
  const { kind, hex } = file.hash;
  throw new RunnerError(
    'MODEL_CORRUPT',
    `${file.path} from ${url.host} is not what the hub lists (${file.sizeBytes} bytes, ${kind} ${hex}), twice in a row. ` +
      'A proxy or mirror may change it: try later, or another HF_ENDPOINT.',
  );
}

/** Requests until the file is whole; false when its content is wrong. */
async function receive(url: URL, file: RemoteFile, partial: PartialFile, context: DownloadContext): Promise<boolean> {
  const report = createReporter(file, context.onProgress);
  const policy = { delayMs: context.options.retryDelayMs, random: Math.random };
  let failures = 0;
  for (let requests = 1; !partial.isWhole(); requests++) {
    const before = partial.receivedBytes;
    try {
      if (!(await requestRest(url, file, partial, context, report))) return false;
      if (!partial.isWhole())
        throw new TransientHubError(
          `${url.host} sent only ${partial.receivedBytes} of ${file.sizeBytes} bytes of ${file.path}.`,
        );
    } catch (error) {
      failures = partial.receivedBytes > before ? 1 : failures + 1;
      const isOver = failures >= TRIES_WITHOUT_PROGRESS || requests >= MAX_REQUESTS;
      if (!(error instanceof TransientHubError) || isOver) throw error;
      await pause(pauseAfter(failures, error, policy), context.signal);
    }
  }
  report(partial.receivedBytes);
  return partial.matches();
}

/** One request for the bytes that are missing; false when the answer can't be the file. */
async function requestRest(
  url: URL,
  file: RemoteFile,
  partial: PartialFile,
  { transport, options, signal }: DownloadContext,
  report: (receivedBytes: number) => void,
): Promise<boolean> {
  const guard = createStallGuard(options.stallTimeoutMs, signal);
  const start = partial.receivedBytes;
  try {
    // Compressed answers would make lengths and ranges those of other bytes.
    const headers = { 'accept-encoding': 'identity', ...(start > 0 ? { range: `bytes=${start}-` } : {}) };
    const response = await transport.get(url, headers, guard.signal);
    if (!canBeFile(response, start, file.sizeBytes)) {
      await response.body?.cancel();
      return false;
    }
    if (response.status !== 206 && start > 0) await stored(partial.restart(), options);
    for await (const chunk of readBody(response, guard)) {
      if (!(await stored(partial.append(chunk), options))) return false;
      report(partial.receivedBytes);
    }
    return true;
  } catch (error) {
    throw error instanceof RunnerError ? error : networkFailure(error, url.host, guard.signal);
  } finally {
    guard.release();
  }
}

/** What a step that writes gives; a failure of the disk is never taken for one of the connection, and not tried again. */
async function stored<T>(writing: Promise<T>, { cacheDir }: ResolvedHubOptions): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    throw cacheFailure(error, cacheDir);
  }
}

/** Whether an answer's headers agree with the file: a whole one of its length, or the rest of it from `start` on. */
function canBeFile({ status, headers }: Response, start: number, sizeBytes: number): boolean {
  if (status === 206) return headers.get('content-range')?.trim() === `bytes ${start}-${sizeBytes - 1}/${sizeBytes}`;
  const length = headers.get('content-length');
  return status === 200 && (length === null || headers.has('content-encoding') || Number(length) === sizeBytes);
}

/** Reports progress in steps, so that a large file doesn't make an event for every packet. */
function createReporter(file: RemoteFile, onProgress: DownloadContext['onProgress']): (receivedBytes: number) => void {
  let reportedBytes = 0;
  return (receivedBytes) => {
    const isWhole = receivedBytes === file.sizeBytes;
    if (onProgress === undefined || (!isWhole && Math.abs(receivedBytes - reportedBytes) < PROGRESS_STEP_BYTES)) return;
    if (isWhole && reportedBytes === receivedBytes) return;
    reportedBytes = receivedBytes;
    try {
      onProgress({ file: file.path, receivedBytes, totalBytes: file.sizeBytes });
    } catch {
      // A listener can't break a download.
    }
  };
}
