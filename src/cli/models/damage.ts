import type { ErrorCode } from '../../errors.js';
import type { Inspection } from './model-folders.js';
import type { NamedModel } from './named-models.js';

/** What is wrong with a model, and what to do. */
export interface Finding {
  readonly code: ErrorCode;
  readonly message: string;
}

/** The files of a model that are not what was downloaded or written. */
export function damageFindings({ damaged, damagedCuts }: Inspection, { name }: NamedModel): readonly Finding[] {
  const advice = `run "clip-runner models verify ${name} --repair".`;
  return [
    ...damaged.map((path) => `${path} is not what was downloaded (its hash differs): ${advice}`),
    ...damagedCuts.map(
      ({ folder }) => `${folder}, cut from a graph with both towers, is not what was written: ${advice}`,
    ),
  ].map((message) => ({ code: 'MODEL_CORRUPT', message }));
}
