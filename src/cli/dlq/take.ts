import type { DeadLetterFilter, DeadLetters } from '../../queue/dead-letters.js';
import { checkTerminal, isConfirmed } from '../confirm.js';
import { invalid } from '../gallery-access.js';
import { interruptible } from '../interrupt.js';
import { createLog } from '../log.js';
import { print, say } from '../models/table.js';
import { Terminal } from '../terminal.js';
import { openLetters, type DlqCall, type OpenedLetters } from './open.js';
import { letterCount, ReasonCounts } from './reasons.js';
import { isFiltered, readFilter, readLimit, readRate } from './selection.js';
import { takeProgress } from './take-progress.js';

type Kind = 'redrive' | 'purge';

/** What is to be done, read from the flags before anything is connected. */
interface Plan {
  readonly kind: Kind;
  readonly filter: DeadLetterFilter;
  readonly limit: number;
  readonly perSecond: number;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
  readonly mustAsk: boolean;
}

/** `clip-runner dlq redrive`: puts dead letters back into the queue. Answers the exit code. */
export async function runRedrive(call: DlqCall): Promise<number> {
  return run(call, readPlan('redrive', call.flags));
}

/** `clip-runner dlq purge`: removes dead letters. Answers the exit code. */
export async function runPurge(call: DlqCall): Promise<number> {
  return run(call, readPlan('purge', call.flags));
}

function readPlan(kind: Kind, flags: DlqCall['flags']): Plan {
  const filter = readFilter(flags, Date.now());
  const isAll = !isFiltered(filter);
  if (kind === 'purge' && isAll && flags['all'] !== true) {
    throw invalid('dlq purge needs a filter such as --reason or --older-than, or --all.');
  }
  if (!isAll && flags['all'] === true) throw invalid('--all and a filter exclude each other.');
  const isDryRun = flags['dryRun'] === true;
  const mustAsk = !isDryRun && flags['yes'] !== true && (kind === 'purge' || isAll);
  if (mustAsk) checkTerminal(`say --yes to ${kind}, or --dry-run to look.`);
  return {
    ...{ kind, filter, isDryRun, mustAsk },
    limit: readLimit(flags) ?? Infinity,
    perSecond: readRate(flags) ?? Infinity,
    isJson: flags['json'] === true,
  };
}

async function run(call: DlqCall, plan: Plan): Promise<number> {
  const opened = openLetters(call);
  try {
    if (plan.isDryRun) return await look(opened, plan);
    if (plan.mustAsk && !(await isConfirmed(await question(opened, plan)))) {
      say('Nothing was changed.');
      return 1;
    }
    return await take(call, opened, plan);
  } finally {
    await opened.letters.close();
  }
}

async function look({ letters, queue }: OpenedLetters, plan: Plan): Promise<number> {
  const reasons = await count(letters, plan);
  const { total } = reasons;
  if (plan.isJson) {
    print([JSON.stringify({ dryRun: true, count: total, reasons: Object.fromEntries(reasons.entries()) })]);
    return 0;
  }
  const would = plan.kind === 'redrive' ? `would be put back into ${queue}` : `would be removed from ${letters.name}`;
  print([`${letterCount(total)} ${would}`, ...(total === 0 ? [] : reasons.lines())]);
  return 0;
}

async function question({ letters, queue }: OpenedLetters, plan: Plan): Promise<string> {
  const { total } = await count(letters, plan);
  return plan.kind === 'redrive'
    ? `Put ${letterCount(total)} of ${letters.name} back into ${queue}?`
    : `Remove ${letterCount(total)} from ${letters.name} for good?`;
}

async function count(letters: DeadLetters, { filter, limit }: Plan): Promise<ReasonCounts> {
  const terminal = new Terminal();
  const reasons = new ReasonCounts();
  const onProgress = (seen: number, total: number): void => terminal.progress(`read ${seen} of ${total}`);
  try {
    for await (const { reason } of letters.entries(filter, { onProgress })) {
      reasons.add(reason);
      if (reasons.total >= limit) break;
    }
  } finally {
    terminal.progress('');
  }
  return reasons;
}

async function take({ settings }: DlqCall, { letters, queue }: OpenedLetters, plan: Plan): Promise<number> {
  const { kind, filter, limit, perSecond, isJson } = plan;
  const terminal = new Terminal();
  const progress = takeProgress(kind, terminal, createLog(settings.logLevel, terminal));
  // Each step is whole on the server: a second signal may end the process at once.
  const interrupt = interruptible(() => process.exit(1));
  const report = (taken: number): void => {
    const done = kind === 'redrive' ? `put back into ${queue}` : `removed from ${letters.name}`;
    const counted = kind === 'redrive' ? { redriven: taken } : { purged: taken };
    print([isJson ? JSON.stringify(counted) : `${letterCount(taken)} ${done}`]);
  };
  let taken = 0;
  try {
    taken = await letters[kind](filter, {
      ...{ limit, perSecond, signal: interrupt.signal },
      onProgress: (now) => {
        ({ taken } = now);
        progress(now);
      },
    });
  } finally {
    terminal.progress('');
    interrupt.release();
    // Also where it failed half-way: what is done is done.
    report(taken);
  }
  interrupt.signal.throwIfAborted();
  return 0;
}
