import { readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { RunnerError } from '../errors.js';
import type { ClipModel, Dtype, ImagePreprocess, ModelName } from '../model.js';
import { cachedCommits, repositoryFolder } from './cache.js';
import { lookUpModel } from './catalog.js';
import type { DownloadProgress } from './download.js';
import { checkExternalFile, readExternalLocations } from './external-data.js';
import { resolveHubOptions, type HubOptions, type ResolvedHubOptions } from './hub-options.js';
import { selectFiles, visionFileOf, type ModelFiles } from './layouts.js';
import { parsePreprocess } from './preprocess-config.js';
import { isLocalFolder, parseRepository, type Repository } from './repository.js';
import { openCached, openFolder, openHub, type ModelSource } from './source.js';
import { createTransport } from './transport.js';

export interface ResolveOptions extends HubOptions {
  readonly dtype: Dtype;
  /** True: the text side must be there. False: it is left out. Without it, it is taken where it is whole. */
  readonly wantText?: boolean | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Is told when the cache is used because the hub can't be. */
  readonly onFallback?: ((reason: RunnerError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds a model's files, downloads what is missing, and reads how it wants its pictures. A name that begins with `.`,
 * `/` or `~`, or that is a folder, is a local folder; any other is a repository of the hub.
 * @throws RunnerError `OPTIONS_INVALID`, `MODEL_NOT_FOUND`, `MODEL_INVALID`, `MODEL_DOWNLOAD`, `MODEL_OFFLINE`,
 * `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function resolveClipModel(model: ModelName, options: ResolveOptions): Promise<ClipModel> {
  const { dtype, wantText, onProgress, onFallback, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  if (await isLocalFolder(model.name)) {
    return buildModel(await openFolder(model.name), { model, dtype, wantText });
  }
  const { repository: id, layout, licence } = lookUpModel(model.name);
  const repository = parseRepository(id);
  const request: ModelRequest = { model, dtype, wantText, licence };
  const missingFile = visionFileOf(layout, dtype);
  if (hub.offline) return buildFromCache(repository, request, hub, missingFile);

  const transport = createTransport({ ...hub, repository: id });
  try {
    return await buildModel(await openHub(repository, { transport, options: hub, onProgress, signal }), request);
  } catch (error) {
    if (!(error instanceof RunnerError) || error.code !== 'MODEL_DOWNLOAD') throw error;
    const cached = await buildFromCache(repository, request, hub, missingFile).catch(() => undefined);
    if (cached === undefined) throw error;
    onFallback?.(error);
    return cached;
  }
}

interface ModelRequest {
  readonly model: ModelName;
  readonly dtype: Dtype;
  readonly wantText?: boolean | undefined;
  readonly licence?: string | undefined;
}

/** Builds the model from the newest cached commit that holds all of it. */
async function buildFromCache(
  repository: Repository,
  request: ModelRequest,
  { cacheDir }: ResolvedHubOptions,
  missingFile: string,
): Promise<ClipModel> {
  let failure: RunnerError | undefined;
  for (const commit of await cachedCommits(repositoryFolder(cacheDir, repository))) {
    try {
      return await buildModel(await openCached(repository, commit, cacheDir), request);
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      // The first commit's failure counts: it is the one that `refs/main` names.
      failure ??= error;
    }
  }
  if (failure !== undefined && failure.code !== 'MODEL_NOT_FOUND') throw failure;
  const problem = failure?.message ?? `There is no ${missingFile} of ${repository.id} in the cache.`;
  throw new RunnerError(
    'MODEL_OFFLINE',
    `${problem} Downloads are off (HF_HUB_OFFLINE): start once with a network and without it, or run ` +
      `"hf download ${repository.id}" where there is one and bring the cache here (${cacheDir}).`,
    { cause: failure },
  );
}

async function buildModel(source: ModelSource, { model, dtype, wantText, licence }: ModelRequest): Promise<ClipModel> {
  const files = selectFiles(source.files, { dtype, wantText, title: source.title });
  await source.ensure(files.all);
  await ensureExternalData(source, files);
  const preprocess = await readPreprocess(source, files);
  await source.seal();

  const path = (file: string): string => join(source.folder, file);
  return {
    label: model.label,
    name: model.name,
    folder: source.folder,
    dtype,
    visionFile: path(files.vision),
    ...(files.text === undefined ? {} : { textFile: path(files.text) }),
    ...(files.tokenizerFolder === undefined ? {} : { tokenizerFolder: path(files.tokenizerFolder) }),
    preprocess,
    ...(licence === undefined ? {} : { licence }),
  };
}

/** Has the files with weights that the graphs name, and checks that each is in the model's folder. */
async function ensureExternalData(source: ModelSource, files: ModelFiles): Promise<void> {
  const graphs = [files.vision, files.text].filter((graph) => graph !== undefined);
  for (const graph of graphs) {
    const external = readExternalLocations(join(source.folder, graph)).map((name) => posix.join(dirname(graph), name));
    const missing = external.find((file) => !source.files.has(file));
    if (missing !== undefined && source.kind !== 'folder') {
      // In a cache it may only not have been downloaded.
      const code = source.kind === 'cache' ? 'MODEL_NOT_FOUND' : 'MODEL_INVALID';
      throw new RunnerError(code, `There is no ${missing} in ${source.title}; ${graph} keeps weights in it.`);
    }
    await source.ensure(external);
    for (const file of external) await checkExternalFile(join(source.folder, file), source.folder);
  }
}

async function readPreprocess(source: ModelSource, files: ModelFiles): Promise<ImagePreprocess> {
  const path = join(source.folder, files.preprocess);
  return parsePreprocess(path, await readFile(path, 'utf8'));
}
