import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { coerceError, RunnerError, systemCode } from '../../errors.js';
import type { Dtype } from '../../model.js';
import { repositoryFolder, snapshotFolder } from '../../models/cache.js';
import {
  filesBelow,
  listCachedModels,
  readCachedModel,
  totalBytes,
  type CachedModel,
} from '../../models/cached-models.js';
import { lookUpCaptioner } from '../../models/captioners.js';
import { lookUpModel } from '../../models/catalog.js';
import { cutsOfFolder, storeOfLocal } from '../../models/cut-store.js';
import { FACE_PARTS, insightfaceLicence, lookUpFacePack } from '../../models/face-packs.js';
import { resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { MODEL_KINDS, type ModelKindName, type ModelVariant } from '../../models/model-kinds.js';
import type { Repository } from '../../models/repository.js';
import { openFolder } from '../../models/source.js';
import { ownFolderOf, repositoriesOf, type NamedModel } from './named-models.js';

/** One line of `models list`; also what `--json` prints. */
export interface ModelRow {
  readonly kind: ModelKindName;
  /** As it is configured; else its repository. */
  readonly name: string;
  /** Where its files come from; absent for local folders. */
  readonly repository?: string;
  /** Labels of CLIP_MODELS that name it. */
  readonly labels: readonly string[];
  readonly variants: readonly ModelVariant[];
  /** Bytes on disk; files that several commits share count once. */
  readonly sizeBytes: number;
  /** Of them, bytes of downloads that are not finished. */
  readonly partialBytes: number;
  readonly licence?: string;
  readonly commit?: string;
  /** How many further commits lie in the cache. */
  readonly olderCommits: number;
  /** Absolute path; the place where it would be for one that is missing. */
  readonly folder: string;
  /** What a configured model lacks, and the command to get it. */
  readonly missing?: string;
}

/** A folder of the cache that can't be read, and why. */
export interface UnreadableFolder {
  readonly folder: string;
  readonly reason: string;
}

export interface Overview {
  readonly models: readonly ModelRow[];
  readonly unreadable: readonly UnreadableFolder[];
}

/** The configured models in their order, then what else the cache holds. Nothing is asked from the network. */
export async function listModels(configured: readonly NamedModel[], dtype: Dtype, hub: HubOptions): Promise<Overview> {
  const { cacheDir } = resolveHubOptions(hub);
  const rows: ModelRow[] = [];
  for (const model of new Map(configured.map((model) => [model.name, model])).values()) {
    const labels = configured.filter(({ name }) => name === model.name).map(({ label }) => label);
    rows.push(...(await describeModel(model, labels, dtype, cacheDir)));
  }
  const unreadable: UnreadableFolder[] = [];
  const cached = await listCachedModels(cacheDir, (folder, reason) =>
    unreadable.push({ folder, reason: reasonOf(reason) }),
  );
  const known = new Set(rows.map(({ repository }) => repository));
  const others = cached.filter(({ repository }) => !known.has(repository.id));
  return { models: [...rows, ...others.map((model) => rowOfCached(model, model.repository.id, []))], unreadable };
}

/** What lies on this machine of one model: a row for each place that its files come from. */
export async function describeModel(
  model: NamedModel,
  labels: readonly string[],
  dtype: Dtype,
  cacheDir: string,
): Promise<readonly ModelRow[]> {
  const own = await ownFolderOf(model, cacheDir);
  if (own !== undefined) return [await rowOfFolder(model, own, labels, { dtype, cacheDir })];
  return Promise.all(
    repositoriesOf(model).map((repository) => rowOfRepository(model, repository, labels, { dtype, cacheDir })),
  );
}

interface Place {
  readonly dtype: Dtype;
  readonly cacheDir: string;
}

async function rowOfRepository(
  { kind, name }: NamedModel,
  repository: Repository,
  labels: readonly string[],
  { dtype, cacheDir }: Place,
): Promise<ModelRow> {
  const licence = licenceOf(kind, name);
  const row: ModelRow = {
    ...{ kind, name, repository: repository.id, labels, variants: [], sizeBytes: 0, partialBytes: 0 },
    ...(licence === undefined ? {} : { licence }),
    ...{ olderCommits: 0, folder: repositoryFolder(cacheDir, repository) },
  };
  try {
    const cached = await readCachedModel(cacheDir, repository);
    const found = cached === undefined ? row : rowOfCached(cached, name, labels);
    if (kind === 'face') return { ...found, ...missingFaces(name, repository, found) };
    if (found.variants.some((variant) => variant.dtype === dtype)) return found;
    const isToBeMade = kind === 'caption' && lookUpCaptioner(name).isPublished === false;
    const command = isToBeMade
      ? `tools/export/export_blip.py ${name}`
      : `clip-runner models pull ${name} --dtype ${dtype}`;
    return { ...found, missing: `no ${dtype} here: ${command}` };
  } catch (error) {
    return { ...row, missing: `the folder can't be read (${reasonOf(error)})` };
  }
}

/** Each of the two graphs may have a repository of its own. */
function missingFaces(name: string, { id }: Repository, { variants }: ModelRow): { readonly missing?: string } {
  const pack = lookUpFacePack(name);
  const isWhole = FACE_PARTS.every((part) => pack[part] !== id || variants[0]?.sides.includes(part) === true);
  return isWhole ? {} : { missing: `not all of it is here: clip-runner models pull ${name}` };
}

function rowOfCached({ commits, variants, ...model }: CachedModel, name: string, labels: readonly string[]): ModelRow {
  const { kind, sizeBytes, partialBytes, licence } = model;
  const commit = variants[0]?.commit;
  return {
    ...{ kind, name, repository: model.repository.id, labels },
    variants: variants.map(({ dtype, sides }) => ({ dtype, sides })),
    ...{ sizeBytes, partialBytes },
    ...(licence === undefined ? {} : { licence }),
    ...(commit === undefined ? {} : { commit }),
    olderCommits: Math.max(commits.length - 1, 0),
    folder: commit === undefined ? model.folder : snapshotFolder(model.folder, commit),
  };
}

/** A folder of the user's own; one that is not there is a row, too. */
async function rowOfFolder(
  { kind, name }: NamedModel,
  path: string,
  labels: readonly string[],
  { dtype, cacheDir }: Place,
): Promise<ModelRow> {
  const row = { kind, name, labels, variants: [], sizeBytes: 0, partialBytes: 0, olderCommits: 0 };
  try {
    const { folder, files } = await openFolder(path);
    const licence = kind === 'face' ? faceLicence(name, files) : licenceOf(kind, name);
    const variants = MODEL_KINDS[kind].findVariants(folder, files);
    const sizes = await Promise.all([...files].map(async (file) => (await stat(join(folder, file))).size));
    const cuts = await filesBelow(...(await cutsOfFolder(storeOfLocal(cacheDir), folder)).map((cut) => cut.folder));
    const sizeBytes = sizes.reduce((sum, size) => sum + size, totalBytes(cuts));
    const isThere = kind === 'face' ? variants[0]?.sides.length === 2 : variants.some((one) => one.dtype === dtype);
    const missing = kind === 'face' ? 'not all of it is in this folder' : `no ${dtype} in this folder`;
    return {
      ...{ ...row, folder, variants, sizeBytes },
      ...(licence === undefined ? {} : { licence }),
      ...(isThere ? {} : { missing }),
    };
  } catch (error) {
    return {
      ...row,
      folder: path,
      missing: `no model in this folder${error instanceof RunnerError ? '' : ` (${reasonOf(error)})`}`,
    };
  }
}

function licenceOf(kind: ModelKindName, name: string): string | undefined {
  if (kind === 'face') return lookUpFacePack(name).licence;
  return (kind === 'caption' ? lookUpCaptioner(name) : lookUpModel(name)).licence;
}

function faceLicence(name: string, files: ReadonlySet<string>): string | undefined {
  return lookUpFacePack(name).licence ?? insightfaceLicence(files);
}

function reasonOf(error: unknown): string {
  return systemCode(error) ?? coerceError(error).message;
}
