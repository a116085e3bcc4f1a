import { hubOptionsFromEnv } from '../models/hub-options.js';
import { findLocalCaptionModel } from '../models/resolve-caption.js';
import type { RunnerOptions } from '../options.js';
import type { Log } from './log.js';
import { VARIABLES, type Settings, type VariableName } from './variables.js';

/** The settings of commands that describe photos. */
export const CAPTION_VARIABLES = [
  'captionEnabled',
  'captionModel',
  'captionMaxTokens',
] as const satisfies readonly VariableName[];

/** Whether captions are asked for, and not only made with a captioner that is there. */
export function isCaptionModelNamed({ captionModel }: Settings<'captionModel'>, env: NodeJS.ProcessEnv): boolean {
  const isSet = (name: 'captionEnabled' | 'captionModel'): boolean => (env[VARIABLES[name].env] ?? '') !== '';
  return isSet('captionEnabled') || isSet('captionModel') || captionModel !== VARIABLES.captionModel.default;
}

/**
 * What the settings of captions mean to `createRunner()`; undefined where there are to be none. A captioner that is named,
 * or captions that are asked for, must be had; the default one is taken if it is on this machine: nobody publishes it as
 * ONNX, so it can't be downloaded.
 * @throws RunnerError `MODEL_INVALID` where the default captioner is there but broken
 */
export async function captionOptions(
  { captionEnabled, captionModel, captionMaxTokens, dtype }: Settings<(typeof CAPTION_VARIABLES)[number] | 'dtype'>,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<RunnerOptions | undefined> {
  if (!captionEnabled) return undefined;
  const isNamed = isCaptionModelNamed({ captionModel }, env);
  if (!isNamed && (await findLocalCaptionModel(captionModel, { ...hubOptionsFromEnv(env), dtype })) === undefined) {
    log.warn(
      { tasks: ['caption'] },
      `no captions: ${captionModel} is not on this machine. tools/export/export_blip.py makes it (see docs/captions.md), ` +
        'CAPTION_ENABLED=0 ends this message',
    );
    return undefined;
  }
  return { captionModel, captionMaxTokens };
}
