import { redisQueue } from '../queue/redis.js';
import { createRunner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import type { Call } from './command.js';
import { createLog } from './log.js';
import { runQueue } from './run-queue.js';
import { MODEL_VARIABLES, textModelOptions } from './runner-settings.js';
import { Terminal } from './terminal.js';
import type { VariableName } from './variables.js';

export const TEXTS_VARIABLES = [
  'redisUrl',
  'textQueueName',
  'textDeadLetterName',
  'apiBaseUrl',
  'token',
  ...MODEL_VARIABLES,
  'maxTextBatch',
  'maxAttempts',
  'onGone',
  'shutdownTimeoutMs',
  'logLevel',
] as const satisfies readonly VariableName[];

type TextsVariable = (typeof TEXTS_VARIABLES)[number];

/**
 * `clip-runner texts`: claims text jobs until it is told to stop; of the models only the text sides are downloaded and
 * loaded. Answers the exit code.
 */
export async function runTexts({ settings, env }: Call<TextsVariable>): Promise<number> {
  const { maxTextBatch, onGone, shutdownTimeoutMs } = settings;
  const terminal = new Terminal();
  const log = createLog(settings.logLevel, terminal);
  const queue = redisQueue({
    jobs: 'text',
    url: settings.redisUrl,
    name: settings.textQueueName,
    maxAttempts: settings.maxAttempts,
    ...(settings.textDeadLetterName === '' ? {} : { deadLetterName: settings.textDeadLetterName }),
  });
  const sink = httpSink({ baseUrl: settings.apiBaseUrl, token: settings.token });
  const runner = createRunner({
    ...textModelOptions(settings, env),
    // How many are claimed at a time goes by `maxBatch`.
    ...{ maxBatch: maxTextBatch, maxTextBatch, onGone, shutdownTimeoutMs },
    tasks: ['text'],
    queue,
    sink,
  });
  if (!sink.hasToken)
    log.warn('PROCESSING_INTERNAL_TOKEN is empty: the server will refuse the callbacks unless it has none either');
  return runQueue({ runner, queue, log, terminal, noun: 'text', shutdownTimeoutMs });
}
