import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { coerceError, type RunnerError } from '../../errors.js';
import { candidatesInRoots } from '../../tasks/image/photo-path.js';
import { readPhotoFile } from '../../tasks/image/read-file.js';
import type { FaceCache, KnownFace } from './face-cache.js';
import type { GalleryPhoto } from './gallery-photos.js';
import { Room } from './room.js';

/** Files held at a time; photos that a thread decodes come on top, and are bound by the runner. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;

/** A face with where it was found. */
export interface FoundFace {
  readonly photo: GalleryPhoto;
  /** Its place among those of its photo. */
  readonly index: number;
  readonly face: KnownFace;
}

/** A photo without faces because something is wrong with it. */
export interface PhotoProblem {
  readonly photo: GalleryPhoto;
  /** Where its file was looked for. */
  readonly path: string;
  readonly error: RunnerError;
}

export interface ScanCounts {
  readonly done: number;
  readonly faces: number;
  readonly cached: number;
  readonly missing: number;
  readonly failed: number;
}

export interface Scan {
  readonly counts: ScanCounts;
  /** In the order of the photos. */
  readonly found: readonly FoundFace[];
  /** Likewise. */
  readonly problems: readonly PhotoProblem[];
}

export interface ScanOptions {
  readonly roots: readonly string[];
  readonly maxFileBytes: number;
  /** Photos in hand at a time. */
  readonly maxPhotos: number;
  readonly cache: FaceCache | undefined;
  readonly detect: (bytes: Uint8Array) => Promise<readonly KnownFace[]>;
  readonly onCounts: (counts: ScanCounts) => void;
  /** A result that could not be kept; the run goes on. */
  readonly onCacheFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Finds the faces of photos. A photo that fails never ends it; an abort does, once what is in hand has ended.
 * @throws the signal's reason
 */
export async function scanPhotos(photos: readonly GalleryPhoto[], options: ScanOptions): Promise<Scan> {
  const { signal, onCounts } = options;
  const counts = { done: 0, faces: 0, cached: 0, missing: 0, failed: 0 };
  const found = photos.map((): readonly FoundFace[] => []);
  const problems = new Map<number, PhotoProblem>();
  const room = new Room(options.maxPhotos, MAX_HELD_BYTES);
  const works = new Set<Promise<void>>();

  const finish = (photo: GalleryPhoto, place: number, faces: readonly KnownFace[], isCached: boolean): void => {
    found[place] = faces.map((face, index) => ({ photo, index, face }));
    counts.faces += faces.length;
    if (isCached) counts.cached += 1;
  };
  const fail = (photo: GalleryPhoto, place: number, thrown: unknown): void => {
    const error = coerceError(thrown);
    if (error.code === 'FILE_NOT_FOUND') counts.missing += 1;
    else counts.failed += 1;
    problems.set(place, { photo, path: triedPath(photo, options.roots), error });
  };
  const end = (): void => {
    counts.done += 1;
    onCounts(counts);
  };

  for (const [place, photo] of photos.entries()) {
    await room.whenFree();
    if (signal.aborted) break;
    const file = await readFile(photo, options).catch((thrown: unknown) => fail(photo, place, thrown));
    if (file === undefined) {
      end();
      continue;
    }
    const work = findFaces(file, options)
      .then(({ faces, isCached }) => finish(photo, place, faces, isCached))
      .catch((thrown: unknown) => fail(photo, place, thrown))
      .then(end)
      .finally(() => works.delete(work));
    works.add(work);
    room.hold(file.bytes.length, work);
  }
  await Promise.all(works);
  signal.throwIfAborted();
  const inOrder = [...problems].sort(([one], [other]) => one - other).map(([, problem]) => problem);
  return { counts, found: found.flat(), problems: inOrder };
}

interface PhotoFile {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

async function readFile(photo: GalleryPhoto, { roots, maxFileBytes }: ScanOptions): Promise<PhotoFile> {
  const bytes = await readPhotoFile(pathOf(photo), { roots, isTrusted: false, maxFileBytes });
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex') };
}

async function findFaces(
  { bytes, hash }: PhotoFile,
  { cache, detect, onCacheFailure }: ScanOptions,
): Promise<{ readonly faces: readonly KnownFace[]; readonly isCached: boolean }> {
  const known = await cache?.read(hash);
  if (known !== undefined) return { faces: known, isCached: true };
  const faces = await detect(bytes);
  await cache?.write(hash, faces).catch(onCacheFailure);
  return { faces, isCached: false };
}

/** The path of a photo's file below the first root. */
export function pathOf({ url }: GalleryPhoto): string {
  return url.replace(/^\/+/, '');
}

function triedPath(photo: GalleryPhoto, roots: readonly string[]): string {
  try {
    return candidatesInRoots(pathOf(photo), roots)[0] ?? photo.url;
  } catch {
    return resolve(roots[0] ?? '.', pathOf(photo));
  }
}
