import { createRunner } from '../runner.js';
import type { Call } from './command.js';
import { createLog } from './log.js';
import { QUEUE_VARIABLES, queueEnds, runQueue } from './run-queue.js';
import { ISOLATION_NAMES, MODEL_VARIABLES, isolationOptions, textModelOptions } from './runner-settings.js';
import { Terminal } from './terminal.js';
import type { VariableName } from './variables.js';

export const TEXTS_VARIABLES = [
  'textQueueName',
  'textDeadLetterName',
  ...QUEUE_VARIABLES,
  ...MODEL_VARIABLES,
  'maxTextBatch',
  ...ISOLATION_NAMES,
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
  const { textQueueName: name, textDeadLetterName: deadLetterName } = settings;
  const ends = queueEnds(settings, { jobs: 'text', name, deadLetterName });
  const runner = createRunner({
    ...textModelOptions(settings, env),
    ...isolationOptions(settings),
    // How many are claimed at a time goes by `maxBatch`.
    ...{ maxBatch: maxTextBatch, maxTextBatch, onGone, shutdownTimeoutMs },
    tasks: ['text'],
    ...ends,
  });
  return runQueue({ ...ends, runner, log, terminal, noun: 'text', settings });
}
