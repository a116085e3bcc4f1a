import { createRunner } from '../runner.js';
import type { Call } from './command.js';
import { FACE_VARIABLES, faceOptions } from './face-settings.js';
import { createLog, type Log } from './log.js';
import { OCR_VARIABLES, ocrOptions } from './ocr-settings.js';
import { QUEUE_VARIABLES, queueEnds, runQueue } from './run-queue.js';
import { MODEL_VARIABLES, PHOTO_VARIABLES, modelOptions, photoOptions } from './runner-settings.js';
import { Terminal } from './terminal.js';
import type { Settings, VariableName } from './variables.js';

export const PHOTOS_VARIABLES = [
  'queueName',
  'deadLetterName',
  ...QUEUE_VARIABLES,
  ...MODEL_VARIABLES,
  'captionEnabled',
  ...FACE_VARIABLES,
  ...OCR_VARIABLES,
  ...PHOTO_VARIABLES,
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
  const ocr = await ocrOptions(settings, env, log);
  const runner = createRunner({
    ...modelOptions(settings, env),
    ...photoOptions(settings),
    ...faces,
    ...ocr,
    tasks: ['clip', ...(faces === undefined ? [] : ['face']), ...(ocr === undefined ? [] : ['ocr'])],
    ...{ onGone, shutdownTimeoutMs },
    ...ends,
  });
  sayWhatIsMissing(settings, log);
  return runQueue({ ...ends, runner, log, terminal, noun: 'photo', shutdownTimeoutMs });
}

/** Said once at the start, so that nobody waits for what this version does not do. */
function sayWhatIsMissing(settings: Settings<PhotosVariable>, log: Log): void {
  const missing = settings.captionEnabled ? ['caption (CAPTION_ENABLED=1)'] : [];
  if (missing.length > 0)
    log.warn({ tasks: missing }, 'not supported yet: these tasks are passed over, a job is done without them');
}
