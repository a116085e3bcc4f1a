import { RunnerError } from '../../errors.js';
import type { Dtype } from '../../model.js';
import { snapshotFolder } from '../../models/cache.js';
import { readCachedModel } from '../../models/cached-models.js';
import {
  cutsOfFolder,
  damagedFilesOf,
  listCuts,
  storeOfLocal,
  storeOfRepository,
  type Cut,
} from '../../models/cut-store.js';
import { resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import type { CachedCommit } from '../../models/repair.js';
import type { Repository } from '../../models/repository.js';
import { openFolder } from '../../models/source.js';
import { inspectModelFolder, type ModelFileFacts } from '../../models/verify.js';
import { ownFolderOf, repositoriesOf, type NamedModel } from './named-models.js';

/** A folder with files of a model. */
interface ModelFolder {
  readonly folder: string;
  /** Where it is in the cache; undefined for a folder of the user's own. */
  readonly cached?: CachedCommit;
}

/** What is in a folder of a model, every file read to its end. */
export interface Inspection extends ModelFolder {
  readonly files: readonly ModelFileFacts[];
  /** Paths of files that are not what was downloaded. */
  readonly damaged: readonly string[];
  /** Graphs cut out of its files that are not what was written. */
  readonly damagedCuts: readonly Cut[];
}

/**
 * Reads all files of a model, those of other dtypes included.
 * @throws RunnerError `MODEL_NOT_FOUND`, `MODEL_OFFLINE` where it is not on this machine
 */
export async function inspectModel(model: NamedModel, dtype: Dtype, hub: HubOptions): Promise<readonly Inspection[]> {
  const { cacheDir } = resolveHubOptions(hub);
  const inspections: Inspection[] = [];
  for (const place of await foldersOf(model, dtype, cacheDir)) {
    const files = await inspectModelFolder(place.folder);
    const cuts =
      place.cached === undefined
        ? await cutsOfFolder(storeOfLocal(cacheDir), place.folder)
        : await listCuts(storeOfRepository(place.cached.cache));
    const damagedCuts: Cut[] = [];
    for (const cut of cuts) if ((await damagedFilesOf(cut)).length > 0) damagedCuts.push(cut);
    const damaged = files.filter(({ isIntact }) => isIntact === false).map(({ path }) => path);
    inspections.push({ ...place, files, damaged, damagedCuts });
  }
  return inspections;
}

async function foldersOf(model: NamedModel, dtype: Dtype, cacheDir: string): Promise<readonly ModelFolder[]> {
  const own = await ownFolderOf(model, cacheDir);
  if (own !== undefined) return [{ folder: (await openFolder(own)).folder }];
  const wanted = model.kind === 'face' ? 'fp32' : dtype;
  return Promise.all(repositoriesOf(model).map((repository) => folderOf(repository, wanted, cacheDir)));
}

/** The commit that has the dtype; where none can be loaded as it is, the newest one. */
async function folderOf(repository: Repository, dtype: Dtype, cacheDir: string): Promise<ModelFolder> {
  const model = await readCachedModel(cacheDir, repository);
  const commit = model?.variants.find((variant) => variant.dtype === dtype)?.commit ?? model?.commits[0];
  if (model === undefined || commit === undefined)
    throw new RunnerError('MODEL_OFFLINE', `There is no commit of ${repository.id} in the cache.`);
  const { folder: cache } = model;
  return { folder: snapshotFolder(cache, commit), cached: { repository, cache, commit } };
}
