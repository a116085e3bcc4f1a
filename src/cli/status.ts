import { Option, type Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { show } from '../check.js';
import { coerceError } from '../errors.js';
import { QueueWatch, type QueueLook } from '../queue/queue-watch.js';
import { settingsCommand, type Call } from './command.js';
import { escapeControls } from './escape-controls.js';
import { invalid } from './gallery-access.js';
import { interruptible } from './interrupt.js';
import { exceededLimits, readLimits } from './status/limits.js';
import { lookLine, lookLines } from './status/look-text.js';
import { REDIS_VARIABLES, redisOptions } from './redis-settings.js';
import { streamOut } from './stream-out.js';
import { readSettings, type VariableName } from './variables.js';

/** Between the two looks of a single call. */
const TWO_LOOKS_MS = 1000;
const WATCH_SECONDS = 2;
/** The exit code where a limit is exceeded. */
const EXCEEDED = 3;
/** Cursor home, and everything below it cleared. */
const CLEAR = '\u001b[H\u001b[2J';

const STATUS_VARIABLES = [...REDIS_VARIABLES, 'queueName', 'deadLetterName'] as const satisfies readonly VariableName[];
type StatusCall = Call<(typeof STATUS_VARIABLES)[number]>;

/** `clip-runner status`. */
export function statusCommand(): Command {
  return settingsCommand('status', 'show queues, consumers and rates', STATUS_VARIABLES, runStatus)
    .addOption(new Option('--only <kind>', 'one of the queues').choices(['photos', 'texts']))
    .addOption(new Option('--watch [seconds]', 'look again and again until a signal'))
    .addOption(new Option('--max-waiting <number>', 'exit with 3 where more jobs wait in a queue'))
    .addOption(new Option('--max-dead <number>', 'exit with 3 where a queue has more dead letters'))
    .addOption(new Option('--min-consumers <number>', 'exit with 3 where fewer consumers of a queue are alive'))
    .addOption(new Option('--json', 'print JSON: one document, with --watch one line per look').default(false));
}

/** Answers the exit code. */
async function runStatus(call: StatusCall): Promise<number> {
  const { flags } = call;
  const limits = readLimits(flags);
  const everyMs = readWatchMs(flags['watch']);
  if (everyMs !== undefined && limits.length > 0) throw invalid('--watch and a limit exclude each other.');
  const watches = openWatches(call);
  try {
    if (everyMs !== undefined) return await watch(watches, everyMs, flags['json'] === true);
    // The rate of what waits needs two looks.
    await lookAt(watches);
    await sleep(TWO_LOOKS_MS);
    const looks = await lookAt(watches);
    await streamOut(flags['json'] === true ? json(looks, 2) : `${lookLines(looks).join('\n')}\n`);
    const exceeded = exceededLimits(looks, limits);
    for (const line of exceeded) process.stderr.write(`clip-runner: ${escapeControls(line)}\n`);
    return exceeded.length === 0 ? 0 : EXCEEDED;
  } finally {
    await Promise.all(watches.map((one) => one.close()));
  }
}

function openWatches({ settings, flags, env }: StatusCall): readonly QueueWatch[] {
  const { queueName, deadLetterName } = settings;
  const only = flags['only'];
  const isNamed = flags['queueName'] !== undefined || flags['deadLetterName'] !== undefined;
  if (isNamed && only === undefined) throw invalid('--queue and --dlq name the lists of one queue: say --only, too.');
  const given =
    only === 'texts' ? { textQueueName: flags['queueName'], textDeadLetterName: flags['deadLetterName'] } : {};
  const texts = readSettings(['textQueueName', 'textDeadLetterName'], given, env);
  const kinds = [
    { jobs: 'photo', kind: 'photos', name: queueName, dead: deadLetterName },
    { jobs: 'text', kind: 'texts', name: texts.textQueueName, dead: texts.textDeadLetterName },
  ] as const;
  return kinds
    .filter(({ kind }) => only === undefined || only === kind)
    .map(({ jobs, name, dead }) => {
      const deadLetterName = dead === '' ? {} : { deadLetterName: dead };
      return new QueueWatch({ ...redisOptions(settings), jobs, name, ...deadLetterName });
    });
}

async function lookAt(watches: readonly QueueWatch[]): Promise<readonly QueueLook[]> {
  return Promise.all(watches.map((one) => one.look()));
}

/** Goes on while Redis is away; ends with a signal, or when nobody reads any more. */
async function watch(watches: readonly QueueWatch[], everyMs: number, isJson: boolean): Promise<number> {
  const interrupt = interruptible(() => process.exit(1));
  const isOver = (): boolean => interrupt.signal.aborted;
  const isScreen = process.stdout.isTTY && !isJson;
  try {
    while (!isOver()) {
      const text = await lookAt(watches).then(
        (looks) => {
          if (isJson) return json(looks);
          if (!isScreen) return looks.map((look) => `${lookLine(look)}\n`).join('');
          const shown = lookLines(looks).slice(0, Math.max(1, (process.stdout.rows || 24) - 1));
          return `${CLEAR}${shown.map((line) => line.slice(0, process.stdout.columns || 80)).join('\n')}\n`;
        },
        (thrown: unknown) => {
          const { code, message } = coerceError(thrown);
          if (isJson) return `${escapeControls(JSON.stringify({ error: { code, message } }))}\n`;
          return `${isScreen ? CLEAR : ''}${escapeControls(message)}\n`;
        },
      );
      if (isOver() || !(await streamOut(text))) break;
      await sleep(everyMs, undefined, { signal: interrupt.signal }).catch(() => undefined);
    }
    return 0;
  } finally {
    interrupt.release();
  }
}

function json(looks: readonly QueueLook[], indent?: number): string {
  const text = JSON.stringify({ at: new Date(looks[0]?.atMs ?? 0).toISOString(), queues: looks }, null, indent);
  return `${text.split('\n').map(escapeControls).join('\n')}\n`;
}

function readWatchMs(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const seconds = value === true ? WATCH_SECONDS : Number(value);
  if (seconds >= 0.1 && seconds <= 86_400) return seconds * 1000;
  throw invalid(`--watch must be a number of seconds from 0.1 to 86400, but got ${show(value)}.`);
}
