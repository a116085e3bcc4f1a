import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { CaptionModel, Dtype } from '../model.js';
import { readConfig, type ConfigReader } from './config-reader.js';
import type { DownloadProgress } from './download.js';
import { resolveHubOptions, type HubOptions } from './hub-options.js';
import { ensureGraph, openRepository } from './open-model.js';
import { parsePreprocess } from './preprocess-config.js';
import { isLocalFolder, parseRepository } from './repository.js';
import { openFolder, type ModelSource } from './source.js';

export interface ResolveCaptionOptions extends HubOptions {
  /** @default 'fp32' */
  readonly dtype?: Dtype | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Names of the two graphs, without the dtype's ending; the first that is there is taken. */
const STEMS = {
  encoder: ['onnx/vision_model', 'onnx/encoder_model'],
  decoder: ['onnx/text_decoder_with_past_model', 'onnx/text_decoder_model_merged', 'onnx/decoder_model_merged'],
} as const;

const ENDINGS: Readonly<Record<Dtype, string>> = { fp32: '', fp16: '_fp16', q8: '_quantized' };

/** What transformers takes where a configuration is silent. */
const BLIP_START = 30_522;
const BLIP_END = 102;
const BERT_POSITIONS = 512;
const GPT2_END = 50_256;
const GPT2_POSITIONS = 1024;

/**
 * Finds a captioner: a local folder; what `tools/export/export_blip.py` has made of a name, in the cache; a repository
 * with the graphs in the cache or on the hub.
 * @param name a repository (`Salesforce/blip-image-captioning-base`) or a folder (`./models/x`)
 * @throws RunnerError `OPTIONS_INVALID` with the way to make one where there is none, `MODEL_NOT_FOUND`, `MODEL_INVALID`,
 * `MODEL_DOWNLOAD`, `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function resolveCaptionModel(name: string, options: ResolveCaptionOptions = {}): Promise<CaptionModel> {
  const { dtype = 'fp32', onProgress, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  if (await isLocalFolder(name)) {
    const source = await openFolder(name).catch((thrown: unknown) => {
      throw notExported('<repository>', name, thrown);
    });
    return buildModel(source, name, dtype);
  }
  const exported = exportFolder(hub.cacheDir, name);
  if ((await stat(exported).catch(() => undefined))?.isDirectory() === true)
    return buildModel(await openFolder(exported), name, dtype);
  return openRepository(name, {
    ...{ hub, onProgress, signal },
    missing: 'captioner',
    pull: `CAPTION_MODEL_NAME=${name} clip-runner photos`,
    build: (source) => buildModel(source, name, dtype),
  }).catch((thrown: unknown) => {
    const isMissing = thrown instanceof RunnerError && ['MODEL_NOT_FOUND', 'MODEL_OFFLINE'].includes(thrown.code);
    throw isMissing ? notExported(name, exported, thrown) : thrown;
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
    if (thrown instanceof RunnerError && thrown.code === 'OPTIONS_INVALID') return undefined;
    throw thrown;
  }
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
  const encoder = findGraph(source, 'encoder', dtype);
  const decoder = findGraph(source, 'decoder', dtype);
  const configs = ['preprocessor_config.json', 'config.json', 'tokenizer.json'];
  const missing = configs.find((file) => !source.files.has(file));
  if (missing !== undefined) throw new RunnerError('MODEL_NOT_FOUND', `There is no ${missing} in ${source.title}.`);
  await source.ensure([...configs, ...['tokenizer_config.json'].filter((file) => source.files.has(file))]);
  const encoderFile = await ensureGraph(source, encoder);
  const decoderFile = await ensureGraph(source, decoder);
  const preprocessFile = join(source.folder, 'preprocessor_config.json');
  const preprocess = parsePreprocess(preprocessFile, await readFile(preprocessFile, 'utf8'));
  await source.seal();
  return {
    name,
    folder: source.folder,
    dtype,
    encoderFile,
    decoderFile,
    tokenizerFolder: source.folder,
    preprocess,
    ...(await readIds(join(source.folder, 'config.json'))),
  };
}

function findGraph({ files, title }: ModelSource, side: keyof typeof STEMS, dtype: Dtype): string {
  const candidates = STEMS[side].map((stem) => `${stem}${ENDINGS[dtype]}.onnx`);
  const graph = candidates.find((file) => files.has(file));
  if (graph !== undefined) return graph;
  throw new RunnerError(
    'MODEL_NOT_FOUND',
    `There is no caption ${side} (dtype ${dtype}) in ${title}: expected ${candidates.join(' or ')}.`,
  );
}

type Ids = Pick<CaptionModel, 'startId' | 'endId' | 'maxPositions'>;

async function readIds(file: string): Promise<Ids> {
  const config = readConfig(file, await readFile(file, 'utf8'));
  return config.text('model_type', 'blip') === 'vision-encoder-decoder' ? idsOfPair(config) : idsOfBlip(config);
}

/** BLIP begins with `bos_token_id` ([DEC]) and ends with `sep_token_id`; its `eos_token_id` is not used. */
function idsOfBlip(config: ConfigReader): Ids {
  const text = config.has('text_config') ? config.section('text_config') : config;
  return {
    startId: whole(text, 'bos_token_id', BLIP_START),
    endId: whole(text, 'sep_token_id', BLIP_END),
    maxPositions: whole(text, 'max_position_embeddings', BERT_POSITIONS),
  };
}

/** A picture's encoder with a text decoder of its own kind, such as ViT-GPT2. */
function idsOfPair(config: ConfigReader): Ids {
  const text = config.section('decoder');
  const endId = whole(config, 'eos_token_id', whole(text, 'eos_token_id', GPT2_END));
  return {
    startId: whole(config, 'decoder_start_token_id', whole(text, 'bos_token_id', endId)),
    endId,
    maxPositions: whole(text, 'n_positions', whole(text, 'max_position_embeddings', GPT2_POSITIONS)),
  };
}

function whole(config: ConfigReader, key: string, fallback: number): number {
  return config.number(key, fallback, 'a whole number', (value) => Number.isSafeInteger(value) && value >= 0);
}
