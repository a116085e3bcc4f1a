import type { ModelName } from '../../model.js';
import { parseModels } from '../../model-names.js';
import type { Settings, VariableName } from '../variables.js';

/** The settings that name models. */
export const NAMING_VARIABLES = [
  'models',
  'modelName',
  'modelLabel',
  'dtype',
] as const satisfies readonly VariableName[];

export type NamingSettings = Settings<(typeof NAMING_VARIABLES)[number]>;

/**
 * The models of CLIP_MODELS, or the one of CLIP_MODEL_NAME.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function configuredModels({ models, modelName, modelLabel }: NamingSettings): readonly ModelName[] {
  return parseModels(models === '' ? [{ label: modelLabel, name: modelName }] : models);
}

/** The models that a command is called with: names or configured labels; none: those that are configured. */
export function namedModels(words: readonly string[], settings: NamingSettings): readonly ModelName[] {
  const configured = configuredModels(settings);
  if (words.length === 0) return configured;
  return words.map(
    (word) => configured.find(({ label, name }) => word === label || word === name) ?? { label: word, name: word },
  );
}
