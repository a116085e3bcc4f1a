import { stat } from 'node:fs/promises';
import { hubOptionsFromEnv } from '../models/hub-options.js';
import type { ModelName } from '../model.js';
import { parseModels } from '../model-names.js';
import type { RunnerOptions } from '../options.js';
import type { Log } from './log.js';
import type { Settings, VariableName } from './variables.js';

/** The settings of every command with models. */
export const MODEL_VARIABLES = [
  'models',
  'modelName',
  'modelLabel',
  'embeddingDim',
  'dtype',
  'device',
  'strictDevice',
  'prepareModels',
  'threads',
  'intraOpThreads',
] as const satisfies readonly VariableName[];

/** The settings of commands that read photos, besides those of models. */
export const PHOTO_VARIABLES = [
  'projectRoot',
  'uploadBaseDir',
  'maxBatch',
  'decodeConcurrency',
  'tuning',
  'maxWaitMs',
  'maxDecodedBytes',
  'resample',
  'orientation',
] as const satisfies readonly VariableName[];

/** The settings of commands that run many photos or texts, besides those of models. */
export const ISOLATION_NAMES = [
  'isolation',
  'maxMemoryBytes',
  'childMaxJobs',
  'childMaxAgeMs',
  'batchTimeoutMs',
] as const satisfies readonly VariableName[];

/** What the settings of isolation mean to `createRunner()`. */
export function isolationOptions(settings: Settings<(typeof ISOLATION_NAMES)[number]>): RunnerOptions {
  const { isolation, maxMemoryBytes, childMaxJobs, childMaxAgeMs, batchTimeoutMs } = settings;
  const memory = maxMemoryBytes === undefined ? {} : { maxMemoryBytes };
  return { isolation, ...memory, childMaxJobs, childMaxAgeMs, batchTimeoutMs };
}

/** What the settings of models and threads mean to `createRunner()`. */
export function modelOptions(
  settings: Settings<(typeof MODEL_VARIABLES)[number]>,
  env: NodeJS.ProcessEnv,
): RunnerOptions {
  const { models, modelName, modelLabel, embeddingDim, dtype, device, strictDevice, prepareModels } = settings;
  const { threads, intraOpThreads } = settings;
  return {
    models: models === '' ? [{ label: modelLabel, name: modelName }] : models,
    ...{ embeddingDim, dtype, device, strictDevice, prepareModels, threads, intraOpThreads },
    hub: hubOptionsFromEnv(env),
  };
}

/**
 * The same for commands of texts: a text that names no model gets the one with the label PROCESSING_DEFAULT_MODEL where
 * CLIP_MODELS has it, and the first one else.
 */
export function textModelOptions(
  settings: Settings<(typeof MODEL_VARIABLES)[number]>,
  env: NodeJS.ProcessEnv,
): RunnerOptions & { readonly models: readonly ModelName[] } {
  const options = modelOptions(settings, env);
  const models = parseModels(options.models ?? []);
  const isDefault = ({ label }: ModelName): boolean => label === settings.modelLabel;
  return { ...options, models: [...models.filter(isDefault), ...models.filter((model) => !isDefault(model))] };
}

/** What the settings of photos mean to `createRunner()`. */
export async function photoOptions(
  settings: Settings<(typeof PHOTO_VARIABLES)[number]>,
  log: Log,
): Promise<RunnerOptions> {
  const { maxBatch, decodeConcurrency, tuning, maxWaitMs, maxDecodedBytes, resample, orientation } = settings;
  return {
    maxBatch,
    decodeConcurrency,
    tuning,
    maxWaitMs,
    maxDecodedBytes,
    resample,
    orientation,
    roots: await rootsOf(settings, log),
  };
}

/** Beside PROJECT_ROOT the upload folder is one more that may be read from: one that is not there is no reason to end. */
async function rootsOf(
  { projectRoot, uploadBaseDir }: Settings<'projectRoot' | 'uploadBaseDir'>,
  log: Log,
): Promise<readonly string[]> {
  if (projectRoot === '') return [uploadBaseDir === '' ? process.cwd() : uploadBaseDir];
  if (uploadBaseDir === '') return [projectRoot];
  const facts = await stat(uploadBaseDir).catch(() => undefined);
  if (facts?.isDirectory() === true) return [projectRoot, uploadBaseDir];
  log.warn(
    { folder: uploadBaseDir },
    'there is no folder at UPLOAD_BASE_DIR: photos are read below PROJECT_ROOT alone',
  );
  return [projectRoot];
}
