import { isAbsolute, relative, resolve, sep } from 'node:path';
import { RunnerError } from '../../errors.js';

const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;

/** `file://…`, `http:…`, `data:…`: names of things that aren't fetched. A colon elsewhere in a name is just a colon. */
const URL_LIKE = /^(?:[a-z][a-z0-9+.-]*:\/\/|(?:file|data|blob|https?|ftps?|javascript):)/i;

/**
 * Refuses what can't be the path of a file, before the file system is asked.
 * @throws RunnerError `PATH_INVALID`
 */
export function checkPathText(path: string): void {
  const complaint = complainAbout(path);
  if (complaint !== undefined) throw new RunnerError('PATH_INVALID', `Expected the path of a file, got ${complaint}.`);
}

function complainAbout(path: string): string | undefined {
  if (path === '') return 'an empty text';
  if (path.includes('\0')) return 'a text with a NUL character';
  if (URL_LIKE.test(path)) return 'a URL; only files are read, nothing is fetched';
  if (path.startsWith('\\\\') || path.startsWith('//')) return 'a network path';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `more than ${MAX_PATH_BYTES} bytes`;
  if (path.split(sep).some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)) {
    return `a name of more than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

/**
 * The absolute paths at which a job's file may be, in the order to try them: as given, then with its accents composed
 * and decomposed (file systems and uploaders differ), only below the root. Relative paths resolve under the first root.
 * @throws RunnerError `PATH_OUTSIDE_ROOT` for a path that leaves the roots by its text alone
 */
export function candidatesInRoots(path: string, roots: readonly string[]): readonly string[] {
  const [firstRoot = '.'] = roots;
  const absolute = resolve(firstRoot, path);
  const root = roots.map((candidate) => resolve(candidate)).find((candidate) => isInside(absolute, candidate));
  if (root === undefined) throw outsideRoots();
  const below = relative(root, absolute);
  return [...new Set([below, below.normalize('NFC'), below.normalize('NFD')])].map((name) => resolve(root, name));
}

/** Whether an absolute path lies below a folder; `/uploads-evil` does not lie below `/uploads`. */
export function isInside(path: string, folder: string): boolean {
  const below = relative(folder, path);
  return below !== '' && below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below);
}

/** The error for a path that leads out of the roots, by its text or by a link. */
export function outsideRoots(): RunnerError {
  return new RunnerError('PATH_OUTSIDE_ROOT', 'Expected a path inside the upload folders, got one that leads outside.');
}
