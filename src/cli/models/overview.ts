import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RunnerError } from '../../errors.js';
import type { Dtype, ModelName } from '../../model.js';
import { repositoryFolder, snapshotFolder } from '../../models/cache.js';
import { listCachedModels, readCachedModel, type CachedModel } from '../../models/cached-models.js';
import { lookUpModel } from '../../models/catalog.js';
import { resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { MODEL_KINDS, type ModelKindName, type ModelVariant } from '../../models/model-kinds.js';
import { isLocalFolder, parseRepository } from '../../models/repository.js';
import { openFolder } from '../../models/source.js';
import { sizeText, tableLines } from './table.js';

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

/** The configured models in their order, then what else the cache holds. Nothing is asked from the network. */
export async function listModels(
  configured: readonly ModelName[],
  dtype: Dtype,
  hub: HubOptions,
): Promise<readonly ModelRow[]> {
  const { cacheDir } = resolveHubOptions(hub);
  const rows: ModelRow[] = [];
  for (const name of new Set(configured.map((model) => model.name))) {
    const labels = configured.filter((model) => model.name === name).map(({ label }) => label);
    rows.push(await describeModel(name, labels, dtype, cacheDir));
  }
  const known = new Set(rows.map(({ repository }) => repository));
  const others = (await listCachedModels(cacheDir)).filter(({ repository }) => !known.has(repository.id));
  return [...rows, ...others.map((model) => rowOfCached(model, model.repository.id, []))];
}

/** What lies on this machine of one model. */
export async function describeModel(
  name: string,
  labels: readonly string[],
  dtype: Dtype,
  cacheDir: string,
): Promise<ModelRow> {
  if (await isLocalFolder(name)) return rowOfFolder(name, labels, dtype);
  const repository = parseRepository(lookUpModel(name).repository);
  const { licence } = lookUpModel(name);
  const cached = await readCachedModel(cacheDir, repository);
  const row: ModelRow =
    cached === undefined
      ? {
          ...{ kind: 'clip', name, repository: repository.id, labels, variants: [], sizeBytes: 0, partialBytes: 0 },
          ...(licence === undefined ? {} : { licence }),
          ...{ olderCommits: 0, folder: repositoryFolder(cacheDir, repository) },
        }
      : rowOfCached(cached, name, labels);
  if (row.variants.some((variant) => variant.dtype === dtype)) return row;
  return { ...row, missing: `no ${dtype} here: clip-runner models pull ${name} --dtype ${dtype}` };
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
async function rowOfFolder(name: string, labels: readonly string[], dtype: Dtype): Promise<ModelRow> {
  const row = { kind: 'clip' as const, name, labels, variants: [], sizeBytes: 0, partialBytes: 0, olderCommits: 0 };
  try {
    const { folder, files } = await openFolder(name);
    const variants = MODEL_KINDS.clip.findVariants(folder, files);
    const sizes = await Promise.all([...files].map(async (file) => (await stat(join(folder, file))).size));
    const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
    const isThere = variants.some((variant) => variant.dtype === dtype);
    return { ...row, folder, variants, sizeBytes, ...(isThere ? {} : { missing: `no ${dtype} in this folder` }) };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return { ...row, folder: name, missing: 'no model in this folder' };
  }
}

/** The rows for people. */
export function overviewLines(rows: readonly ModelRow[]): readonly string[] {
  return tableLines(
    ['MODEL', 'KIND', 'LABEL', 'FILES', 'SIZE', 'LICENCE', 'COMMIT', 'WHERE'],
    rows.map((row) => [
      row.name,
      row.kind,
      row.labels.join(', ') || '-',
      row.variants.map(variantText).join(', ') || '-',
      row.sizeBytes === 0 ? '-' : sizeText(row.sizeBytes),
      row.licence ?? 'unknown',
      row.commit?.slice(0, 7) ?? '-',
      [row.folder, ...notes(row)].join('; '),
    ]),
  );
}

function variantText({ dtype, sides }: ModelVariant): string {
  return sides.length > 1 ? dtype : `${dtype} (${sides[0] === 'text' ? 'texts' : 'pictures'} only)`;
}

function notes({ partialBytes, olderCommits, missing }: ModelRow): readonly string[] {
  return [
    ...(missing === undefined ? [] : [`MISSING: ${missing}`]),
    ...(partialBytes > 0 ? [`${sizeText(partialBytes)} of an unfinished download`] : []),
    ...(olderCommits > 0 ? [`${olderCommits} older commit${olderCommits > 1 ? 's' : ''}`] : []),
  ];
}

/** Where models come from and where they lie; the token is never shown. */
export function hubLines(hub: HubOptions): readonly string[] {
  const { cacheDir, endpoint, offline } = resolveHubOptions(hub);
  return [`cache: ${cacheDir}`, `hub: ${endpoint}${offline ? ' (offline: HF_HUB_OFFLINE is set)' : ''}`];
}
