import { createRunner } from '../runner.js';
import type { Call } from './command.js';
import { CAPTION_VARIABLES, captionOptions } from './caption-settings.js';
import { FACE_VARIABLES, faceOptions } from './face-settings.js';
import { createLog } from './log.js';
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
import type { VariableName } from './variables.js';

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

type PhotosVariable = (typeof PHOTOS_VARIABLES)[number];

/** `clip-runner photos`: claims photo jobs until it is told to stop. Answers the exit code. */
export async function runPhotos({ settings, env }: Call<PhotosVariable>): Promise<number> {
  const { onGone, shutdownTimeoutMs } = settings;
  const terminal = new Terminal();
  const log = createLog(settings.logLevel, terminal);
  const { queueName: name, deadLetterName } = settings;
  const ends = queueEnds(settings, { jobs: 'photo', name, deadLetterName });
  const faces = await faceOptions(settings, env, log);
  const captions = await captionOptions(settings, env, log);
  const ocr = await ocrOptions(settings, env, log);
  const runner = createRunner({
    ...modelOptions(settings, env),
    ...photoOptions(settings),
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
    ...ends,
  });
  return runQueue({ ...ends, runner, log, terminal, noun: 'photo', settings });
}
