import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { ClipModel, Dtype, ImagePreprocess, ModelName } from '../model.js';
import { checkBelonging } from './belonging.js';
import { cachedCommits, repositoryFolder } from './cache.js';
import { lookUpModel } from './catalog.js';
import type { DownloadProgress } from './download.js';
import { resolveHubOptions, type HubOptions, type ResolvedHubOptions } from './hub-options.js';
import { graphFileOf, selectFiles, type ModelFiles } from './layouts.js';
import { ensureGraph } from './open-model.js';
import { parsePreprocess } from './preprocess-config.js';
import { isLocalFolder, parseRepository, type Repository } from './repository.js';
import { openCached, openFolder, openHub, type ModelSource } from './source.js';
import { cutTowers, type TowerFiles } from './tower-cache.js';
import { createTransport } from './transport.js';

export interface ResolveOptions extends HubOptions {
  readonly dtype: Dtype;
  /** False: the vision side is left out, and the model is a text side only. @default true */
  readonly wantVision?: boolean | undefined;
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
  const { dtype, wantVision = true, wantText, onProgress, onFallback, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  const { cacheDir } = hub;
  if (await isLocalFolder(model.name)) {
    return buildModel(await openFolder(model.name), { model, dtype, wantVision, wantText, cacheDir, signal });
  }
  const { repository: id, layout, licence } = lookUpModel(model.name);
  const repository = parseRepository(id);
  const request: ModelRequest = { model, dtype, wantVision, wantText, licence, cacheDir, signal };
  const missingFile = graphFileOf(layout, dtype, wantVision ? 'vision' : 'text');
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
  readonly wantVision: boolean;
  readonly wantText?: boolean | undefined;
  readonly licence?: string | undefined;
  readonly cacheDir: string;
  readonly signal?: AbortSignal | undefined;
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
    `${problem} Downloads are off (HF_HUB_OFFLINE): run "clip-runner models pull ${request.model.name} --dtype ${request.dtype}" where there is a ` +
      `network, without it, and bring the cache here (${cacheDir}).`,
    { cause: failure },
  );
}

async function buildModel(source: ModelSource, request: ModelRequest): Promise<ClipModel> {
  const { model, dtype, wantVision, wantText, licence } = request;
  const files = selectFiles(source.files, { dtype, wantVision, wantText, title: source.title });
  await source.ensure(files.all);
  for (const graph of new Set([files.vision, files.text])) if (graph !== undefined) await ensureGraph(source, graph);
  const preprocess = await readPreprocess(source, files);
  await source.seal();

  const graphs = await prepareGraphs(source, files, request);
  const config = await readModelConfig(source);
  const vocabularySize = checkBelonging({
    title: source.title,
    visionFile: graphs.vision,
    textFile: graphs.text,
    config,
  });
  return {
    label: model.label,
    name: model.name,
    folder: source.folder,
    dtype,
    ...(graphs.vision === undefined ? {} : { visionFile: graphs.vision }),
    ...(graphs.text === undefined ? {} : { textFile: graphs.text }),
    ...(graphs.text === undefined || files.tokenizerFolder === undefined
      ? {}
      : { tokenizerFolder: join(source.folder, files.tokenizerFolder) }),
    ...(vocabularySize === undefined ? {} : { vocabularySize }),
    ...(preprocess === undefined ? {} : { preprocess }),
    ...(licence === undefined ? {} : { licence }),
  };
}

/** Absolute paths of a graph per wanted side. */
async function prepareGraphs(
  { folder }: ModelSource,
  { vision, text, isJoint }: ModelFiles,
  { wantVision, wantText, cacheDir, signal }: ModelRequest,
): Promise<TowerFiles> {
  const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : join(folder, file));
  const file = path(vision ?? text);
  // Without its tokenizer a text side that nobody asked for is of no use.
  if (isJoint && file !== undefined)
    return cutTowers({ file, cacheDir, wantVision, wantText: text === undefined ? false : wantText, signal });
  return { vision: path(vision), text: path(text) };
}

async function readPreprocess(source: ModelSource, files: ModelFiles): Promise<ImagePreprocess | undefined> {
  if (files.preprocess === undefined) return undefined;
  const path = join(source.folder, files.preprocess);
  return parsePreprocess(path, await readFile(path, 'utf8'));
}

/** What can't be read says nothing here; where it is needed it is read again, and then said. */
async function readModelConfig({ folder }: ModelSource): Promise<unknown> {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
