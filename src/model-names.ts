import { show, someText } from './check.js';
import { RunnerError } from './errors.js';
import type { ModelName } from './model.js';

/**
 * Reads `label=name[,label=name…]`; a lone name is its own label.
 * @throws RunnerError `OPTIONS_INVALID` for an empty part or a label that stands twice.
 */
export function parseModels(models: string | readonly ModelName[]): readonly ModelName[] {
  const list =
    typeof models === 'string'
      ? models
          .split(',')
          .filter((part) => part.trim() !== '')
          .map(parseModel)
      : models;
  const labels = new Set<string>();
  for (const { label, name } of list) {
    if (!someText.accepts(label) || !someText.accepts(name)) {
      throw invalid(`models: each must have a label and a name, but got ${show(label)} and ${show(name)}.`);
    }
    if (labels.has(label)) throw invalid(`models: the label "${label}" stands twice; each model needs its own.`);
    labels.add(label);
  }
  return list;
}

function parseModel(part: string): ModelName {
  const [label = '', ...rest] = part.split('=');
  const name = rest.join('=').trim();
  return rest.length === 0 ? { label: label.trim(), name: label.trim() } : { label: label.trim(), name };
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
