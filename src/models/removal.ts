import { readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunnerError } from '../errors.js';
import { blobPath, cacheFailure, snapshotFolder } from './cache.js';
import { cutsOfBlobs, storeOfRepository } from './cut-store.js';
import { filesBelow, noneThere, totalBytes, type CachedModel } from './cached-models.js';
import { isWriterGone } from '../partial-owner.js';

/** What is to be removed of a repository in the cache. */
export interface Removal {
  /** Absolute paths in the order of their removal: a removal that breaks off leaves nothing that looks whole. */
  readonly paths: readonly string[];
  readonly files: number;
  /** Bytes that become free. */
  readonly sizeBytes: number;
}

/** A file that grew in the last three minutes is taken to have a living writer, if nothing else is known of it. */
const FRESH_MS = 180_000;

/**
 * Finds what to remove of a model: all of its repository in the cache.
 * @throws RunnerError `MODEL_DOWNLOAD` while it is being downloaded; `MODEL_INVALID` where its folder leads out of the
 * cache
 */
export async function planRemoval({ folder }: CachedModel): Promise<Removal> {
  await checkFolder(folder);
  await checkIdle(folder);
  const files = await filesBelow(folder);
  const paths = [...['refs', 'snapshots', 'blobs'].map((name) => join(folder, name)), folder];
  return { paths, files: files.length, sizeBytes: totalBytes(files) };
}

/**
 * Finds what to remove of a model's older commits: all but `refs/main` and the newest of each variant. Blobs that a commit which stays
 * uses stay, too, and so do unfinished downloads. What was cut out of a blob goes with it.
 * @throws RunnerError as `planRemoval`
 */
export async function planRemovalOfOld({ folder, commits, variants }: CachedModel): Promise<Removal> {
  await checkFolder(folder);
  await checkIdle(folder);
  const kept = new Set([...commits.slice(0, 1), ...variants.map(({ commit }) => commit)]);
  const old = commits.filter((commit) => !kept.has(commit));
  const used = new Set<string>();
  for (const commit of kept) for (const blob of await blobsOf(folder, commit)) used.add(blob);
  // Only what the commits that go have used: other blobs may be of a download that begins just now.
  const unused = new Set<string>();
  for (const commit of old) for (const blob of await blobsOf(folder, commit)) if (!used.has(blob)) unused.add(blob);

  const blobs = [...unused];
  const snapshots = old.map((commit) => snapshotFolder(folder, commit));
  const cuts = await cutsOfBlobs(storeOfRepository(folder), new Set(blobs.map((blob) => basename(blob))));
  const folders = [...snapshots, ...cuts.map((cut) => cut.folder)];
  // A cut may share its weights with a blob: what has two names comes once, by the first of them.
  const stored = join(await realpath(folder), 'blobs');
  const files = (await filesBelow(stored, ...folders)).filter(
    ({ path }) => dirname(path) !== stored || unused.has(path),
  );
  return {
    paths: [...(await refsTo(folder, old)), ...folders, ...blobs],
    files: files.length,
    sizeBytes: totalBytes(files),
  };
}

/**
 * Removes what was planned.
 * @throws RunnerError `MODEL_DOWNLOAD` when the cache can't be written to
 */
export async function removePlanned({ paths }: Removal, cacheDir: string): Promise<void> {
  try {
    for (const path of paths) await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw cacheFailure(error, cacheDir);
  }
}

/** Nothing outside of the cache is touched: neither its folder nor those of its parts may be links to elsewhere. */
async function checkFolder(folder: string): Promise<void> {
  const home = await realpath(dirname(folder));
  for (const [path, expected] of [
    [folder, join(home, basename(folder))],
    ...['refs', 'snapshots', 'blobs'].map((name) => [join(folder, name), join(home, basename(folder), name)] as const),
  ] as const) {
    const actual = await realpath(path).catch(() => undefined);
    if (actual === undefined || actual === expected) continue;
    throw new RunnerError(
      'MODEL_INVALID',
      `${path} is a link that leads to ${actual}, out of the cache. Nothing was removed: remove the link by hand.`,
    );
  }
}

async function checkIdle(folder: string): Promise<void> {
  const blobs = join(folder, 'blobs');
  for (const name of await readdir(blobs).catch(() => [])) {
    // A part that was given up has no owner in its name.
    const isOpen = /\.[^.]+\.partial$/.test(name) ? !isWriterGone(name) : name.endsWith('.incomplete');
    const facts = isOpen ? await stat(join(blobs, name)).catch(() => undefined) : undefined;
    if (facts === undefined || Date.now() - facts.mtimeMs > FRESH_MS) continue;
    throw new RunnerError(
      'MODEL_DOWNLOAD',
      `${basename(folder)} is being downloaded just now: ${name} has grown within the last three minutes. Stop the ` +
        'download or wait for its end, then try again.',
    );
  }
}

/** Paths of the repository's own blobs that a commit's links lead to. */
async function blobsOf(folder: string, commit: string): Promise<readonly string[]> {
  const snapshot = snapshotFolder(folder, commit);
  const home = await realpath(folder);
  const blobs: string[] = [];
  // A reference may name a commit of which nothing has come yet.
  const entries = await readdir(snapshot, { recursive: true, withFileTypes: true }).catch(noneThere);
  for (const entry of entries) {
    const target = entry.isSymbolicLink()
      ? await realpath(join(entry.parentPath, entry.name)).catch(() => undefined)
      : undefined;
    if (target !== undefined && target === blobPath(home, basename(target))) blobs.push(target);
  }
  return blobs;
}

/** The files of `refs` that name one of some commits. */
async function refsTo(folder: string, commits: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { path } of await filesBelow(join(folder, 'refs'))) {
    if (commits.includes((await readFile(path, 'utf8')).trim())) found.push(path);
  }
  return found;
}
