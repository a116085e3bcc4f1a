import { hubOptionsFromEnv } from '../models/hub-options.js';
import type { ModelName } from '../model.js';
import { parseModels } from '../model-names.js';
import type { RunnerOptions } from '../options.js';
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

/** The settings of commands that run until they are told to stop, besides those of models. */
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
    ...{ embeddingDim, dtype, device, strictDevice, prepareModels, intraOpThreads },
    ...(threads !== undefined && { threads }),
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
export function photoOptions(settings: Settings<(typeof PHOTO_VARIABLES)[number]>): RunnerOptions {
  const { projectRoot, uploadBaseDir, maxBatch, decodeConcurrency, tuning } = settings;
  const { maxWaitMs, maxDecodedBytes, resample, orientation } = settings;
  const roots = [projectRoot, uploadBaseDir].filter((root) => root !== '');
  return {
    ...(maxBatch !== undefined && { maxBatch }),
    decodeConcurrency,
    tuning,
    maxWaitMs,
    maxDecodedBytes,
    resample,
    orientation,
    roots: roots.length === 0 ? [process.cwd()] : roots,
  };
}
