import { constants } from 'node:fs';
import { open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { RunnerError, systemCode, type ErrorCode } from '../../errors.js';
import { candidatesInRoots, checkPathText, isInside, outsideRoots } from './photo-path.js';
import { readAtMost } from './read-at-most.js';

export interface ReadOptions {
  /** Folders that paths may lie in; relative ones resolve under the first. Empty: any regular file. */
  readonly roots: readonly string[];
  /** The path is the embedding program's own: the roots don't bind it, and relative paths resolve as usual. */
  readonly isTrusted: boolean;
  readonly maxFileBytes: number;
  /** A hung network mount must not hold a job for ever. @default 30_000 */
  readonly readTimeoutMs?: number;
}

const READ_TIMEOUT_MS = 30_000;
/** A file younger than this that can't be decoded may still be on its way. */
const UPLOAD_GRACE_MS = 60_000;

/** FIFOs and terminals answer at once, and no terminal becomes ours. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a photo into memory, once, whatever becomes of the file meanwhile. Job paths are held inside the roots by the
 * real path of what was opened, so links inside may be used and no link leads outside.
 * @throws RunnerError `PATH_INVALID` | `PATH_OUTSIDE_ROOT` | `FILE_NOT_FOUND` | `FILE_NOT_REGULAR` | `FILE_EMPTY` |
 *   `FILE_TOO_LARGE` | `FILE_DENIED` | `FILE_CHANGING` | `FILE_TIMEOUT` | `FILE_IO`
 */
export async function readPhotoFile(path: string, options: ReadOptions): Promise<Buffer> {
  checkPathText(path);
  const timeoutMs = options.readTimeoutMs ?? READ_TIMEOUT_MS;
  // An abandoned read can't be cancelled; it closes its file when the mount answers, and nobody listens any more.
  const reading = withCodes(() => openAndRead(path, options));
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new RunnerError('FILE_TIMEOUT', `Reading the file took longer than ${timeoutMs} ms; is the mount alive?`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([reading, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What a failure to decode means for the file: `FILE_CHANGING` if it was written to within the last minute (an upload
 * may still be going on), else the failure itself.
 */
export async function blameUpload(
  failure: RunnerError,
  path: string,
  options: Pick<ReadOptions, 'roots' | 'isTrusted'>,
  nowMs: number = Date.now(),
): Promise<RunnerError> {
  if (failure.code !== 'IMAGE_DECODE') return failure;
  const [file] = isBound(options) ? candidatesInRoots(path, options.roots) : [resolve(path)];
  if (file === undefined) return failure;
  const facts = await stat(file).catch(() => undefined);
  if (facts === undefined || nowMs - facts.mtimeMs >= UPLOAD_GRACE_MS) return failure;
  return new RunnerError(
    'FILE_CHANGING',
    `The file is less than a minute old and may be incomplete. ${failure.message}`,
    {
      cause: failure,
    },
  );
}

function isBound({ roots, isTrusted }: Pick<ReadOptions, 'roots' | 'isTrusted'>): boolean {
  return !isTrusted && roots.length > 0;
}

async function openAndRead(path: string, options: ReadOptions): Promise<Buffer> {
  const file = isBound(options) ? await openInRoots(path, options.roots) : await open(resolve(path), OPEN_FLAGS);
  try {
    return await readAtMost(file, options.maxFileBytes);
  } finally {
    await file.close();
  }
}

async function openInRoots(path: string, roots: readonly string[]): Promise<FileHandle> {
  const real = await firstRealPath(candidatesInRoots(path, roots));
  await checkInRoots(real, roots);
  const file = await open(real, OPEN_FLAGS | constants.O_NOFOLLOW);
  try {
    // Folders on the way may have been replaced by links since: what counts is what was opened.
    await checkInRoots(await realPathOf(file, real), roots);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function firstRealPath(candidates: readonly string[]): Promise<string> {
  let missing: unknown;
  for (const candidate of candidates) {
    try {
      return await realpath(candidate);
    } catch (error) {
      if (codeOf(error) !== 'FILE_NOT_FOUND') throw error;
      missing ??= error;
    }
  }
  throw missing;
}

async function realPathOf(file: FileHandle, openedAs: string): Promise<string> {
  if (process.platform === 'linux') return readlink(`/proc/self/fd/${file.fd}`);
  const [path, opened, found] = await Promise.all([realpath(openedAs), file.stat(), stat(openedAs)]);
  if (opened.dev !== found.dev || opened.ino !== found.ino) {
    throw new RunnerError('FILE_CHANGING', 'The file was replaced while it was opened.');
  }
  return path;
}

/** Real paths of roots, process-wide: facts of the file system, asked for once. */
const realRoots = new Map<string, string>();

async function checkInRoots(path: string, roots: readonly string[]): Promise<void> {
  const isInOne = async (): Promise<boolean> => {
    const real = await Promise.all(roots.map(realRoot));
    return real.some((root) => root !== undefined && isInside(path, root));
  };
  if (await isInOne()) return;
  // A root may be a link that a deployment has turned to another folder: look again before refusing a job for good.
  for (const root of roots) realRoots.delete(root);
  if (!(await isInOne())) throw outsideRoots();
}

async function realRoot(root: string): Promise<string | undefined> {
  const known = realRoots.get(root);
  if (known !== undefined) return known;
  const real = await realpath(root).catch(() => undefined);
  if (real !== undefined) realRoots.set(root, real);
  return real;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'FILE_NOT_FOUND',
  ENOTDIR: 'FILE_NOT_FOUND',
  EACCES: 'FILE_DENIED',
  EPERM: 'FILE_DENIED',
  ELOOP: 'PATH_INVALID',
  ENAMETOOLONG: 'PATH_INVALID',
  EINVAL: 'PATH_INVALID',
  EISDIR: 'FILE_NOT_REGULAR',
  // Sockets, and devices without a driver.
  ENXIO: 'FILE_NOT_REGULAR',
  ENODEV: 'FILE_NOT_REGULAR',
};

const MESSAGES: Readonly<Partial<Record<ErrorCode, string>>> = {
  FILE_NOT_FOUND: 'There is no file at the path.',
  FILE_DENIED: 'The file may not be read by this user.',
  PATH_INVALID: 'The path is too long, or its links go round in circles.',
  FILE_NOT_REGULAR: 'Expected a regular file, got a folder or a device.',
};

function codeOf(thrown: unknown): ErrorCode {
  return CODES[systemCode(thrown) ?? ''] ?? 'FILE_IO';
}

async function withCodes<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    const code = codeOf(error);
    const message = MESSAGES[code] ?? `The file can't be read (${systemCode(error) ?? 'unknown reason'}).`;
    throw new RunnerError(code, message, { cause: error });
  }
}
