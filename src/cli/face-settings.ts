import { hubOptionsFromEnv } from '../models/hub-options.js';
import { findLocalFaceModel } from '../models/resolve-face.js';
import type { RunnerOptions } from '../options.js';
import type { Log } from './log.js';
import { VARIABLES, type Settings, type VariableName } from './variables.js';

/** The settings of commands that find faces. */
export const FACE_VARIABLES = [
  'faceEnabled',
  'faceModel',
  'faceLabel',
  'faceDim',
  'faceThreshold',
  'faceNms',
  'faceSize',
  'maxFacesPerPhoto',
  'faceExtras',
  'faceLadder',
  'faceDecode',
] as const satisfies readonly VariableName[];

/** Whether the face model is asked for, and not only the one that is taken if it is there. */
export function isFaceModelNamed(
  { faceEnabled, faceModel }: Settings<'faceEnabled' | 'faceModel'>,
  env: NodeJS.ProcessEnv,
): boolean {
  const { env: variable, default: usual } = VARIABLES.faceModel;
  return faceEnabled === '1' || faceModel !== usual || (env[variable] ?? '') !== '';
}

/**
 * What the settings of faces mean to `createRunner()`; undefined where there are to be none. With `auto` a model that is
 * named must be had, and the default one is taken if it is on this machine: its weights are not for every use, so they
 * are not downloaded unasked.
 * @throws RunnerError `MODEL_INVALID` where the default model is there but broken
 */
export async function faceOptions(
  settings: Settings<(typeof FACE_VARIABLES)[number]>,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<RunnerOptions | undefined> {
  const { faceEnabled, faceModel, faceLabel, faceDim, faceThreshold, faceNms, faceSize } = settings;
  const { maxFacesPerPhoto, faceExtras, faceLadder, faceDecode } = settings;
  const usual = VARIABLES.faceModel.default;
  if (faceEnabled === '0') return undefined;
  if (!isFaceModelNamed(settings, env) && (await findLocalFaceModel(faceModel, hubOptionsFromEnv(env))) === undefined) {
    log.warn(
      { tasks: ['face'] },
      `no faces: ${usual} is not on this machine. FACE_ENABLED=1 downloads it (its licence allows no commercial use), ` +
        'FACE_MODEL_NAME=yunet-sface takes a free pair, FACE_ENABLED=0 ends this message',
    );
    return undefined;
  }
  if (faceModel !== usual && faceLabel === VARIABLES.faceLabel.default) {
    const fact = { label: faceLabel, model: faceModel };
    log.warn(fact, 'faces of this model go by the label of another: set PROCESSING_DEFAULT_FACE_MODEL');
  }
  const finding = { faceThreshold, faceNms, maxFacesPerPhoto, faceLadder, faceDecode };
  return { faceModel, faceLabel, faceDim, faceExtras, ...finding, ...(faceSize !== undefined && { faceSize }) };
}
