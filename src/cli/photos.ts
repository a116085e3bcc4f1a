import { redisQueue } from '../queue/redis.js';
import { createRunner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import type { Call } from './command.js';
import { CAPTION_VARIABLES, captionOptions } from './caption-settings.js';
import { FACE_VARIABLES, faceOptions } from './face-settings.js';
import { createLog, type Log } from './log.js';
import { runQueue } from './run-queue.js';
import { MODEL_VARIABLES, PHOTO_VARIABLES, modelOptions, photoOptions } from './runner-settings.js';
import { Terminal } from './terminal.js';
import type { Settings, VariableName } from './variables.js';

export const PHOTOS_VARIABLES = [
  'redisUrl',
  'queueName',
  'deadLetterName',
  'apiBaseUrl',
  'token',
  ...MODEL_VARIABLES,
  ...CAPTION_VARIABLES,
  ...FACE_VARIABLES,
  ...PHOTO_VARIABLES,
  'maxAttempts',
  'onGone',
  'shutdownTimeoutMs',
  'logLevel',
] as const satisfies readonly VariableName[];

type PhotosVariable = (typeof PHOTOS_VARIABLES)[number];

/** `clip-runner photos`: claims photo jobs until it is told to stop. Answers the exit code. */
export async function runPhotos({ settings, env }: Call<PhotosVariable>): Promise<number> {
  const { onGone, shutdownTimeoutMs } = settings;
  const terminal = new Terminal();
  const log = createLog(settings.logLevel, terminal);
  const queue = redisQueue({
    url: settings.redisUrl,
    name: settings.queueName,
    maxAttempts: settings.maxAttempts,
    ...(settings.deadLetterName === '' ? {} : { deadLetterName: settings.deadLetterName }),
  });
  const faces = await faceOptions(settings, env, log);
  const captions = await captionOptions(settings, env, log);
  const runner = createRunner({
    ...modelOptions(settings, env),
    ...photoOptions(settings),
    ...faces,
    ...captions,
    tasks: ['clip', ...(faces === undefined ? [] : ['face']), ...(captions === undefined ? [] : ['caption'])],
    ...{ onGone, shutdownTimeoutMs },
    queue,
    sink: httpSink({ baseUrl: settings.apiBaseUrl, token: settings.token }),
  });
  sayWhatIsMissing(settings, log);
  return runQueue({ runner, queue, log, terminal, noun: 'photo', shutdownTimeoutMs });
}

/** Said once at the start, so that nobody waits for what this version does not do. */
function sayWhatIsMissing(settings: Settings<PhotosVariable>, log: Log): void {
  log.warn({ tasks: ['ocr'] }, 'not supported yet: these tasks are passed over, a job is done without them');
  if (settings.token === '')
    log.warn('PROCESSING_INTERNAL_TOKEN is empty: the server will refuse the callbacks unless it has none either');
}
