import type { RunnerOptions } from '../options.js';
import { createRunner } from '../runner.js';
import type { Call } from './command.js';
import { CAPTION_VARIABLES, captionOptions } from './caption-settings.js';
import { FACE_VARIABLES, faceOptions } from './face-settings.js';
import { createLog, type Log } from './log.js';
import { OCR_VARIABLES, ocrOptions } from './ocr-settings.js';
import { QUEUE_VARIABLES, queueEnds, runQueue } from './run-queue.js';
import {
  ISOLATION_NAMES,
  MODEL_VARIABLES,
  PHOTO_VARIABLES,
  isolationOptions,
  modelOptions,
  photoOptions,
} from './runner-settings.js';
import { Terminal } from './terminal.js';
import type { Settings, VariableName } from './variables.js';

export const PHOTOS_VARIABLES = [
  'queueName',
  'deadLetterName',
  ...QUEUE_VARIABLES,
  ...MODEL_VARIABLES,
  ...CAPTION_VARIABLES,
  ...FACE_VARIABLES,
  ...OCR_VARIABLES,
  ...PHOTO_VARIABLES,
  ...ISOLATION_NAMES,
] as const satisfies readonly VariableName[];

export type PhotosVariable = (typeof PHOTOS_VARIABLES)[number];

/** What the settings mean to `createRunner()`, but for where jobs come from. What is left out is told to the log. */
export async function photosOptions(
  settings: Settings<PhotosVariable>,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<RunnerOptions> {
  const { onGone, shutdownTimeoutMs } = settings;
  const faces = await faceOptions(settings, env, log);
  const captions = await captionOptions(settings, env, log);
  const ocr = await ocrOptions(settings, env, log);
  return {
    ...modelOptions(settings, env),
    ...(await photoOptions(settings, log)),
    ...isolationOptions(settings),
    ...faces,
    ...captions,
    ...ocr,
    tasks: [
      'clip',
      ...(captions === undefined ? [] : ['caption']),
      ...(faces === undefined ? [] : ['face']),
      ...(ocr === undefined ? [] : ['ocr']),
    ],
    ...{ onGone, shutdownTimeoutMs },
  };
}

/** `clip-runner photos`: claims photo jobs until it is told to stop. Answers the exit code. */
export async function runPhotos({ settings, env }: Call<PhotosVariable>): Promise<number> {
  const terminal = new Terminal();
  const log = createLog(settings.logLevel, terminal);
  const { queueName: name, deadLetterName } = settings;
  const ends = queueEnds(settings, { jobs: 'photo', name, deadLetterName });
  const runner = createRunner({ ...(await photosOptions(settings, env, log)), ...ends });
  return runQueue({ ...ends, runner, log, terminal, noun: 'photo', settings });
}
