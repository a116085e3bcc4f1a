import { deadLetters, type DeadLetters } from '../../queue/dead-letters.js';
import type { Call } from '../command.js';
import { REDIS_VARIABLES, redisOptions } from '../redis-settings.js';
import { readSettings, type VariableName } from '../variables.js';

export const DLQ_VARIABLES = [
  ...REDIS_VARIABLES,
  'queueName',
  'deadLetterName',
  'logLevel',
] as const satisfies readonly VariableName[];

export type DlqCall = Call<(typeof DLQ_VARIABLES)[number]>;

/** The dead letters that a command is about, and the queue that they came from. */
export interface OpenedLetters {
  readonly letters: DeadLetters;
  readonly queue: string;
}

/** @throws RunnerError `OPTIONS_INVALID` */
export function openLetters({ settings, flags, env }: DlqCall): OpenedLetters {
  const names = flags['texts'] === true ? textNames(flags, env) : settings;
  const { queueName: name, deadLetterName } = names;
  const letters = deadLetters({
    ...redisOptions(settings),
    name,
    ...(deadLetterName === '' ? {} : { deadLetterName }),
  });
  return { letters, queue: name };
}

/** `--queue` and `--dlq` name the lists of whichever kind is meant. */
function textNames(
  flags: DlqCall['flags'],
  env: DlqCall['env'],
): { readonly queueName: string; readonly deadLetterName: string } {
  const given = { textQueueName: flags['queueName'], textDeadLetterName: flags['deadLetterName'] };
  const { textQueueName, textDeadLetterName } = readSettings(['textQueueName', 'textDeadLetterName'], given, env);
  return { queueName: textQueueName, deadLetterName: textDeadLetterName };
}
