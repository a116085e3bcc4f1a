import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.js';
import { cachedCommits, listModelFolder, repositoryFolder, snapshotFolder } from './cache.js';
import { lookUpCaptioner } from './captioners.js';
import { lookUpModel } from './catalog.js';
import { facePackOf } from './face-packs.js';
import { MODEL_KINDS, type ModelKindName, type ModelVariant } from './model-kinds.js';
import { parseRepository, type Repository } from './repository.js';

/** What the Hugging Face cache holds of one repository. */
export interface CachedModel {
  readonly kind: ModelKindName;
  readonly repository: Repository;
  /** The repository's folder in the cache. */
  readonly folder: string;
  /** What can be loaded; each from the newest commit that holds all of it. */
  readonly variants: readonly CachedVariant[];
  /** Every commit in the cache, the one of `refs/main` first. */
  readonly commits: readonly string[];
  /** Bytes of all its files on disk; a file that several commits share counts once. */
  readonly sizeBytes: number;
  /** Those of them that belong to downloads that are not finished. */
  readonly partialBytes: number;
  /** SPDX identifier of the weights' licence, where it is known. */
  readonly licence?: string;
}

interface CachedVariant extends ModelVariant {
  readonly commit: string;
}

/**
 * The repositories of a cache that hold a model that can be used here, or parts of one that was being downloaded by us.
 * Those of other programs are left out. A folder that can't be read is told to `onUnreadable`, with the reason. Nothing is
 * asked from the network.
 */
export async function listCachedModels(
  cacheDir: string,
  onUnreadable?: (folder: string, reason: unknown) => void,
): Promise<readonly CachedModel[]> {
  const models: CachedModel[] = [];
  for (const name of [...(await namesIn(cacheDir))].sort()) {
    const repository = repositoryOf(name);
    if (repository === undefined) continue;
    try {
      const model = await readCachedModel(cacheDir, repository);
      if (model !== undefined) models.push(model);
    } catch (error) {
      if (onUnreadable === undefined) throw error;
      onUnreadable(repositoryFolder(cacheDir, repository), error);
    }
  }
  return models;
}

/** The same of one repository; undefined when it is not in the cache, or holds no model of ours. */
export async function readCachedModel(cacheDir: string, repository: Repository): Promise<CachedModel | undefined> {
  const folder = repositoryFolder(cacheDir, repository);
  const commits = await cachedCommits(folder);
  const found = await findVariants(folder, commits, repository.id);
  const files = await filesBelow(folder);
  const partials = files.filter(({ path }) => path.endsWith('.partial'));
  // Python names its own unfinished downloads otherwise. A folder without any commit is what a broken removal leaves.
  const isRest = commits.length === 0 && files.length > 0 && !files.some(({ path }) => path.endsWith('.incomplete'));
  if (found === undefined && partials.length === 0 && !isRest) return undefined;
  const { id } = repository;
  const licence = facePackOf(id)?.licence ?? lookUpCaptioner(id).licence ?? lookUpModel(id).licence;
  return {
    kind: found?.kind ?? 'clip',
    repository,
    folder,
    variants: found?.variants ?? [],
    commits,
    sizeBytes: totalBytes(files),
    partialBytes: totalBytes(partials),
    ...(licence === undefined ? {} : { licence }),
  };
}

export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The regular files below folders; links are not followed, and one that has several names comes once, by its first. */
export async function filesBelow(...folders: readonly string[]): Promise<readonly StoredFile[]> {
  const files = new Map<string, StoredFile>();
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(noneThere)) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const { dev, ino, size } = await lstat(path);
      const key = `${dev}:${ino}`;
      if (!files.has(key)) files.set(key, { path, sizeBytes: size });
    }
  }
  return [...files.values()];
}

export function totalBytes(files: readonly StoredFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

async function findVariants(
  folder: string,
  commits: readonly string[],
  id: string,
): Promise<{ readonly kind: ModelKindName; readonly variants: readonly CachedVariant[] } | undefined> {
  for (const kind of Object.keys(MODEL_KINDS) as ModelKindName[]) {
    const variants = new Map<string, CachedVariant>();
    let isOfKind = false;
    for (const commit of commits) {
      const snapshot = snapshotFolder(folder, commit);
      const files = await listModelFolder(snapshot);
      isOfKind ||= MODEL_KINDS[kind].recognises(files, id);
      for (const variant of MODEL_KINDS[kind].findVariants(snapshot, files)) {
        if (!variants.has(variant.dtype)) variants.set(variant.dtype, { ...variant, commit });
      }
    }
    if (isOfKind || variants.size > 0) return { kind, variants: [...variants.values()] };
  }
  return undefined;
}

function repositoryOf(folderName: string): Repository | undefined {
  const [, owner, name] = /^models--(.+?)--(.+)$/.exec(folderName) ?? [];
  if (owner === undefined || name === undefined) return undefined;
  try {
    return parseRepository(`${owner}/${name}`);
  } catch {
    return undefined; // Not made by us.
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(noneThere);
}

/** No such folder, or a file in its place. */
export function noneThere(error: unknown): never[] {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return [];
  throw error;
}
