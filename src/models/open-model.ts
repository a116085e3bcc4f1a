import { dirname, join, posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { cachedCommits, repositoryFolder } from './cache.js';
import type { DownloadProgress } from './download.js';
import { checkExternalFile, readExternalLocations } from './external-data.js';
import type { ResolvedHubOptions } from './hub-options.js';
import { parseRepository } from './repository.js';
import { openCached, openHub, type ModelSource } from './source.js';
import { createTransport } from './transport.js';

export interface OpenRequest<Model> {
  readonly hub: ResolvedHubOptions;
  /** Makes the model of a source, or throws what is wrong with it. */
  readonly build: (source: ModelSource) => Promise<Model>;
  /** What a model must have, such as `onnx/vision_model.onnx`, and the command that downloads it: for messages. */
  readonly missing: string;
  readonly pull: string;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Is told when the cache is used because the hub can't be. */
  readonly onFallback?: ((reason: RunnerError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a model of the files of a repository: from the hub, or from the cache where downloads are off or the hub is out
 * of reach.
 * @throws RunnerError `MODEL_*`, `OPTIONS_INVALID` for what is no repository's name
 */
export async function openRepository<Model>(id: string, request: OpenRequest<Model>): Promise<Model> {
  const { hub, build, onProgress, onFallback, signal } = request;
  if (hub.offline) return openNewestCached(id, request);
  const transport = createTransport({ ...hub, repository: id });
  try {
    return await build(await openHub(parseRepository(id), { transport, options: hub, onProgress, signal }));
  } catch (error) {
    if (!(error instanceof RunnerError) || error.code !== 'MODEL_DOWNLOAD') throw error;
    const cached = await openNewestCached(id, request).catch(() => undefined);
    if (cached === undefined) throw error;
    onFallback?.(error);
    return cached;
  }
}

/**
 * The same from the newest cached commit that holds all of it; touches no network.
 * @throws RunnerError `MODEL_OFFLINE`
 */
async function openNewestCached<Model>(
  id: string,
  { hub: { cacheDir }, build, missing, pull }: OpenRequest<Model>,
): Promise<Model> {
  const repository = parseRepository(id);
  let failure: RunnerError | undefined;
  for (const commit of await cachedCommits(repositoryFolder(cacheDir, repository))) {
    try {
      return await build(await openCached(repository, commit, cacheDir));
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      // The first commit's failure counts: it is the one that `refs/main` names.
      failure ??= error;
    }
  }
  if (failure !== undefined && failure.code !== 'MODEL_NOT_FOUND') throw failure;
  const problem = failure?.message ?? `There is no ${missing} of ${id} in the cache.`;
  throw new RunnerError(
    'MODEL_OFFLINE',
    `${problem} Downloads are off (HF_HUB_OFFLINE): run "${pull}" where there is a network, without it, and bring the ` +
      `cache here (${cacheDir}).`,
    { cause: failure },
  );
}

/**
 * Has a graph and the files with weights that it names, and checks that each is in the model's folder.
 * @returns the graph's absolute path
 */
export async function ensureGraph(source: ModelSource, graph: string): Promise<string> {
  await source.ensure([graph]);
  const file = join(source.folder, graph);
  const external = readExternalLocations(file).map((name) => posix.join(dirname(graph), name));
  const missing = external.find((name) => !source.files.has(name));
  if (missing !== undefined && source.kind !== 'folder') {
    // In a cache it may only not have been downloaded.
    const code = source.kind === 'cache' ? 'MODEL_NOT_FOUND' : 'MODEL_INVALID';
    throw new RunnerError(code, `There is no ${missing} in ${source.title}; ${graph} keeps weights in it.`);
  }
  await source.ensure(external);
  for (const name of external) await checkExternalFile(join(source.folder, name), source.folder);
  return file;
}
