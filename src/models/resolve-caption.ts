import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { CaptionModel, CaptionPrompt, Dtype } from '../model.js';
import { readCaptionConfig } from './caption-config.js';
import {
  CAPTIONER_FILES,
  CAPTIONER_TYPES,
  findCaptionGraphs,
  isCaptionerType,
  lookUpCaptioner,
  type CaptionerType,
  type CaptionGraphs,
} from './captioners.js';
import { readConfig, type ConfigReader } from './config-reader.js';
import type { DownloadProgress } from './download.js';
import { resolveHubOptions, type HubOptions } from './hub-options.js';
import { ensureGraph, openRepository } from './open-model.js';
import { readHuggingFacePreprocess } from './preprocess-hugging-face.js';
import { isLocalFolder, parseRepository } from './repository.js';
import { openFolder, type ModelSource } from './source.js';

export interface ResolveCaptionOptions extends HubOptions {
  /** @default 'fp32' */
  readonly dtype?: Dtype | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Is told when the cache is used because the hub can't be. */
  readonly onFallback?: ((reason: RunnerError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What Florence-2 is asked where its files don't say; transformers has the same. */
const TASK = '<CAPTION>';
const QUESTION = 'What does the image describe?';

/**
 * Finds a captioner: a local folder; what `tools/export/export_blip.py` has made of a name, in the cache; a repository
 * with the graphs in the cache or on the hub.
 * @param name a repository (`Salesforce/blip-image-captioning-base`) or a folder (`./models/x`)
 * @throws RunnerError `OPTIONS_INVALID` with the way to make one where there is none, `MODEL_NOT_FOUND`, `MODEL_INVALID`,
 * `MODEL_DOWNLOAD`, `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function resolveCaptionModel(name: string, options: ResolveCaptionOptions = {}): Promise<CaptionModel> {
  const { dtype = 'fp32', onProgress, onFallback, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  if (await isLocalFolder(name)) {
    const source = await openFolder(name).catch((thrown: unknown) => {
      throw notExported('<repository>', name, thrown);
    });
    return buildModel(source, name, dtype);
  }
  const exported = await findExport(hub.cacheDir, name);
  if (exported !== undefined) return buildModel(await openFolder(exported), name, dtype);
  const { repository, isPublished = false } = lookUpCaptioner(name);
  return openRepository(repository, {
    ...{ hub, onProgress, onFallback, signal },
    missing: 'captioner',
    pull: `clip-runner models pull ${name} --dtype ${dtype}`,
    build: (source) => buildModel(source, name, dtype),
  }).catch((thrown: unknown) => {
    const isMissing = thrown instanceof RunnerError && ['MODEL_NOT_FOUND', 'MODEL_OFFLINE'].includes(thrown.code);
    throw isMissing && !isPublished ? notExported(name, exportFolder(hub.cacheDir, name), thrown) : thrown;
  });
}

/** The same from what is on this machine already; undefined where it is not all there. Touches no network. */
export async function findLocalCaptionModel(
  name: string,
  options: ResolveCaptionOptions = {},
): Promise<CaptionModel | undefined> {
  try {
    return await resolveCaptionModel(name, { ...options, offline: true });
  } catch (thrown) {
    const isMissing = thrown instanceof RunnerError && ['OPTIONS_INVALID', 'MODEL_OFFLINE'].includes(thrown.code);
    if (isMissing) return undefined;
    throw thrown;
  }
}

/** The folder of a captioner that was exported by hand; undefined where there is none. */
export async function findExport(cacheDir: string, name: string): Promise<string | undefined> {
  const folder = exportFolder(cacheDir, name);
  return (await stat(folder).catch(() => undefined))?.isDirectory() === true ? folder : undefined;
}

/** Where captioners that were exported by hand are looked for by their name. */
function exportFolder(cacheDir: string, name: string): string {
  return join(cacheDir, 'clip-runner', 'exports', parseRepository(name).id.replace('/', '--'));
}

function notExported(name: string, folder: string, cause: unknown): RunnerError {
  return new RunnerError(
    'OPTIONS_INVALID',
    `There is no caption model in ${folder}: make it once with "python tools/export/export_blip.py ${name} ${folder}", name ` +
      'another folder (CAPTION_MODEL_NAME=./folder), or go without captions (CAPTION_ENABLED=0).',
    { cause },
  );
}

async function buildModel(source: ModelSource, name: string, dtype: Dtype): Promise<CaptionModel> {
  const { folder, files, title } = source;
  const missing = CAPTIONER_FILES.find((file) => !files.has(file));
  if (missing !== undefined) throw new RunnerError('MODEL_NOT_FOUND', `There is no ${missing} in ${title}.`);
  await source.ensure(['config.json']);
  const read = async (file: string): Promise<ConfigReader> => {
    const path = join(folder, file);
    return readConfig(path, await readFile(path, 'utf8'));
  };
  const config = await read('config.json');
  const type = typeOf(config);
  const graphs = findCaptionGraphs(files, { type, dtype, title });
  const extras = ['tokenizer_config.json', 'generation_config.json'].filter((file) => files.has(file));
  await source.ensure([...CAPTIONER_FILES, ...extras]);
  const generation = extras.includes('generation_config.json') ? await read('generation_config.json') : undefined;
  const preprocessing = await read('preprocessor_config.json');
  const { licence } = lookUpCaptioner(name);
  const model: CaptionModel = {
    ...{ name, folder, dtype, tokenizerFolder: folder },
    preprocess: readHuggingFacePreprocess(preprocessing),
    ...readCaptionConfig(type, config, generation),
    encoderFile: await ensureGraph(source, graphs.encoder),
    ...(await ensurePrompt(source, graphs, preprocessing)),
    decoderFile: await ensureGraph(source, graphs.decoder),
    ...(licence === undefined ? {} : { licence }),
  };
  await source.seal();
  return model;
}

/** A file without one is taken for BLIP's, as transformers takes it. */
function typeOf(config: ConfigReader): CaptionerType {
  const type = config.text('model_type', 'blip');
  if (isCaptionerType(type)) return type;
  throw config.wrong('model_type', `that of a captioner (${CAPTIONER_TYPES.join(', ')})`);
}

async function ensurePrompt(
  source: ModelSource,
  { embedder, promptEncoder }: CaptionGraphs,
  preprocessing: ConfigReader,
): Promise<{ readonly prompt?: CaptionPrompt }> {
  if (embedder === undefined || promptEncoder === undefined) return {};
  const prompts = 'task_prompts_without_inputs';
  const text = preprocessing.has(prompts) ? preprocessing.section(prompts).text(TASK, QUESTION) : QUESTION;
  const embedderFile = await ensureGraph(source, embedder);
  return { prompt: { text, embedderFile, encoderFile: await ensureGraph(source, promptEncoder) } };
}
