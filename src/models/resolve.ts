import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunnerError } from '../errors.js';
import type { ClipModel, Dtype, ImagePreprocess, ModelName } from '../model.js';
import { checkBelonging } from './belonging.js';
import { lookUpModel } from './catalog.js';
import { storeOfLocal, storeOfRepository } from './cut-store.js';
import type { DownloadProgress } from './download.js';
import { checkFamily, type FamilyFiles } from './family.js';
import { resolveHubOptions, type HubOptions } from './hub-options.js';
import { graphFileOf, selectFiles, type ModelFiles } from './layouts.js';
import { ensureGraph, openRepository } from './open-model.js';
import { parsePreprocess } from './preprocess-config.js';
import { isLocalFolder } from './repository.js';
import { openFolder, type ModelSource } from './source.js';
import { cutTowers, type TowerFiles } from './tower-cache.js';

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
  const { repository, layout, licence } = lookUpModel(model.name);
  const request: ModelRequest = { model, dtype, wantVision, wantText, licence, cacheDir, signal };
  return openRepository(repository, {
    ...{ hub, onProgress, onFallback, signal },
    missing: graphFileOf(layout, dtype, wantVision ? 'vision' : 'text'),
    pull: `clip-runner models pull ${model.name} --dtype ${dtype}`,
    build: (source) => buildModel(source, request),
  });
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

async function buildModel(source: ModelSource, request: ModelRequest): Promise<ClipModel> {
  const { model, dtype, wantVision, wantText, licence } = request;
  const files = selectFiles(source.files, { dtype, wantVision, wantText, title: source.title });
  await source.ensure(files.all);
  for (const graph of new Set([files.vision, files.text])) if (graph !== undefined) await ensureGraph(source, graph);
  const preprocess = await readPreprocess(source, files);
  await source.seal();

  const graphs = await prepareGraphs(source, files, request);
  const config = await readJson(source, 'config.json');
  const vocabularySize = checkBelonging({
    title: source.title,
    visionFile: graphs.vision,
    textFile: graphs.text,
    config,
  });
  await checkFamily(await familyFiles(source, files, { config, hasText: graphs.text !== undefined, vocabularySize }));
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
  { folder, cache }: ModelSource,
  { vision, text, isJoint }: ModelFiles,
  { wantVision, wantText, cacheDir, signal }: ModelRequest,
): Promise<TowerFiles> {
  const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : join(folder, file));
  const file = path(vision ?? text);
  // Without its tokenizer a text side that nobody asked for is of no use.
  if (isJoint && file !== undefined) {
    const store = cache === undefined ? storeOfLocal(cacheDir) : storeOfRepository(cache);
    return cutTowers({ file, store, wantVision, wantText: text === undefined ? false : wantText, signal });
  }
  return { vision: path(vision), text: path(text) };
}

async function readPreprocess(source: ModelSource, files: ModelFiles): Promise<ImagePreprocess | undefined> {
  if (files.preprocess === undefined) return undefined;
  const path = join(source.folder, files.preprocess);
  return parsePreprocess(path, await readFile(path, 'utf8'));
}

async function familyFiles(
  source: ModelSource,
  { preprocess, tokenizerFolder }: ModelFiles,
  facts: { readonly config: unknown; readonly hasText: boolean; readonly vocabularySize: number | undefined },
): Promise<FamilyFiles> {
  const { config, hasText, vocabularySize } = facts;
  const prefix = tokenizerFolder === undefined || tokenizerFolder === '' ? '' : `${tokenizerFolder}/`;
  return {
    title: source.title,
    config,
    ...(preprocess === undefined ? {} : { preprocess: { path: preprocess, json: await readJson(source, preprocess) } }),
    ...(hasText && tokenizerFolder !== undefined
      ? {
          tokenizer: {
            prefix,
            config: await readJson(source, `${prefix}tokenizer_config.json`),
            read: () => readJson(source, `${prefix}tokenizer.json`),
            tableRows: vocabularySize,
          },
        }
      : {}),
  };
}

/** What can't be read says nothing here; where it is needed it is read again, and then said. */
async function readJson({ folder }: ModelSource, path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(folder, path), 'utf8'));
  } catch {
    return undefined;
  }
}
