import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { blobPath, hasFile } from './cache.js';
import { hashFile, parseContentHash, startHash } from './content-hash.js';
import { stampOf } from '../file-stamp.js';
import { isWriterGone, newOwner } from '../partial-owner.js';

/** The graphs that were cut out of joint ones, in a folder of the cache: `<key>/<side>/`, with a manifest in each. */
export interface CutStore {
  /** Below it lies `clip-runner/towers`: a repository's folder in the cache, or for local models the cache itself. */
  readonly home: string;
  /** Whether the sources are a repository's files: those are known by their blobs. */
  readonly isCached: boolean;
}

/** What a cut was made from: a blob of the cache, which is named by its content, or a file of a size and time. */
interface CutSource {
  /** The name in the graph decides where the part looks for its weights. */
  readonly name: string;
  readonly blob?: string;
  readonly path?: string;
  readonly sizeBytes?: string;
  readonly changedNs?: string;
}

/** One side of a model, cut out of its graph. */
export interface Cut {
  readonly folder: string;
  readonly sources: readonly CutSource[];
  readonly files: readonly { readonly name: string; readonly sizeBytes: number; readonly sha256: string }[];
}

/** Where cuts of a repository's files are kept: with them in its folder of the cache. */
export const storeOfRepository = (folder: string): CutStore => ({ home: folder, isCached: true });
/** Where cuts of the user's own files are kept. */
export const storeOfLocal = (cacheDir: string): CutStore => ({ home: cacheDir, isCached: false });

const MANIFEST = 'cut.json';
/** Part of every key: raise it when the same file is cut differently. */
const CUT_VERSION = 2;
/** What has no manifest after so long has no living writer. */
const STALE_MS = 3_600_000;

/** Facts about the files that a cut is made from; with others it is another cut. */
export async function sourcesOf(files: readonly string[], { isCached }: CutStore): Promise<readonly CutSource[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = await realpath(file);
      const blob = basename(dirname(path)) === 'blobs' ? parseContentHash(basename(path))?.hex : undefined;
      const name = basename(file);
      return isCached && blob !== undefined ? { name, blob } : { name, path, ...(await stampOf(path)) };
    }),
  );
}

/** The folder of one side's cut. */
export function cutFolder(store: CutStore, sources: readonly CutSource[], side: string): string {
  const hash = createHash('sha256').update(JSON.stringify([CUT_VERSION, sources]));
  return join(towersFolder(store), hash.digest('hex').slice(0, 32), side);
}

/** A name beside a cut's folder, for making it; what a killed process leaves there is swept up later. */
export function newCutFolder(folder: string): string {
  return `${folder}.${newOwner()}.partial`;
}

/** Whether a cut has all its files in their sizes; quick enough for every start. */
export async function isWholeCut(folder: string): Promise<boolean> {
  const cut = await readCut(folder);
  if (cut === undefined) return false;
  const sizes = cut.files.map(({ name, sizeBytes }) => hasFile(join(folder, name), sizeBytes));
  return (await Promise.all(sizes)).every(Boolean);
}

/** Names of a cut's files that are not what was written: each is read to its end. */
export async function damagedFilesOf({ folder, files }: Cut, signal?: AbortSignal): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const { name, sizeBytes, sha256 } of files) {
    const file = join(folder, name);
    const isIntact =
      (await hasFile(file, sizeBytes)) && (await hashFile(file, startHash('sha256', sizeBytes), signal)) === sha256;
    if (!isIntact) damaged.push(name);
  }
  return damaged;
}

/**
 * Gives the files of a folder to a cut's own folder, the manifest last. Each takes its place at once, and whoever makes
 * the same cut writes the same bytes: so processes don't disturb each other, nor those that have an older file open.
 */
export async function publishCut(
  from: string,
  folder: string,
  sources: readonly CutSource[],
  signal?: AbortSignal,
): Promise<void> {
  const names = (await readdir(from)).sort();
  const files = [];
  for (const name of names) {
    const { size: sizeBytes } = await stat(join(from, name));
    files.push({ name, sizeBytes, sha256: await hashFile(join(from, name), startHash('sha256', sizeBytes), signal) });
  }
  await writeFile(join(from, MANIFEST), JSON.stringify({ sources, files }, null, 2));
  await mkdir(folder, { recursive: true });
  for (const name of [...names, MANIFEST]) await rename(join(from, name), join(folder, name));
}

/** Every cut with a manifest. */
export async function listCuts(store: CutStore): Promise<readonly Cut[]> {
  const cuts = await Promise.all((await sideFolders(store)).map(readCut));
  return cuts.filter((cut) => cut !== undefined);
}

/** The cuts that were made from one of some blobs. */
export async function cutsOfBlobs(store: CutStore, blobs: ReadonlySet<string>): Promise<readonly Cut[]> {
  return (await listCuts(store)).filter(({ sources }) =>
    sources.some(({ blob }) => blob !== undefined && blobs.has(blob)),
  );
}

/** The cuts that were made from files below a folder. */
export async function cutsOfFolder(store: CutStore, folder: string): Promise<readonly Cut[]> {
  const start = `${await realpath(folder).catch(() => folder)}${sep}`;
  return (await listCuts(store)).filter(({ sources }) => sources.some(({ path }) => path?.startsWith(start) === true));
}

export async function removeCut(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await rmdir(dirname(folder)).catch(() => undefined); // The other side is still there.
}

/** Removes what killed processes have left, and cuts whose sources are gone or have changed. Failures don't matter. */
export async function sweepCuts(store: CutStore): Promise<void> {
  for (const folder of await sideFolders(store)) {
    const cut = folder.endsWith('.partial') ? undefined : await readCut(folder);
    const isUseless = cut === undefined ? await isLeftOver(folder) : !(await isOfToday(cut, store));
    if (isUseless) await removeCut(folder).catch(() => undefined);
  }
}

function towersFolder({ home }: CutStore): string {
  return join(home, 'clip-runner', 'towers');
}

async function sideFolders(store: CutStore): Promise<readonly string[]> {
  const towers = towersFolder(store);
  const keys = await readdir(towers).catch(() => []);
  const sides = await Promise.all(
    keys.map(async (key) => (await readdir(join(towers, key)).catch(() => [])).map((side) => join(towers, key, side))),
  );
  return sides.flat();
}

/** What can't be read is made anew; so it counts as not there. */
async function readCut(folder: string): Promise<Cut | undefined> {
  try {
    const { sources, files } = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Partial<Cut>;
    return Array.isArray(sources) && Array.isArray(files) && files.length > 0 ? { folder, sources, files } : undefined;
  } catch {
    return undefined;
  }
}

async function isOfToday({ sources }: Cut, { home }: CutStore): Promise<boolean> {
  const checks = sources.map(async ({ blob, path = '', sizeBytes, changedNs }) => {
    if (blob !== undefined) return (await stat(blobPath(home, blob)).catch(() => undefined)) !== undefined;
    const stamp = await stampOf(path).catch(() => undefined);
    return stamp?.sizeBytes === sizeBytes && stamp?.changedNs === changedNs;
  });
  return (await Promise.all(checks)).every(Boolean);
}

async function isLeftOver(folder: string): Promise<boolean> {
  if (isWriterGone(folder)) return true;
  const facts = await stat(folder).catch(() => undefined);
  return facts !== undefined && Date.now() - facts.mtimeMs > STALE_MS;
}
