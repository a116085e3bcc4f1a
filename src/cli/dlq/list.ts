import { tableLines } from '../models/table.js';
import { streamOut } from '../stream-out.js';
import { Terminal } from '../terminal.js';
import { HEADINGS, entryCells, entryLine } from './entry-text.js';
import { openLetters, type DlqCall } from './open.js';
import { letterCount, ReasonCounts } from './reasons.js';
import { readFilter, readLimit } from './selection.js';

const TABLE_ROWS = 20;

/**
 * `clip-runner dlq list`: the dead letters that match, in the order in which they died, and how many there are by reason.
 * Answers the exit code: 0, also where there are none.
 */
export async function runList(call: DlqCall): Promise<number> {
  const { flags } = call;
  const isJson = flags['json'] === true;
  const limit = readLimit(flags) ?? (isJson ? Infinity : TABLE_ROWS);
  const filter = readFilter(flags, Date.now());
  const { letters } = openLetters(call);
  const terminal = new Terminal();
  const onProgress = (seen: number, total: number): void => terminal.progress(`read ${seen} of ${total}`);
  // Without a limit lines go out as they come; else the last ones are kept until the end is known.
  const isStream = isJson && limit === Infinity;
  const rows = new Rows(limit, flags['oldest'] === true);
  const reasons = new ReasonCounts();
  try {
    for await (const entry of letters.entries(filter, { onProgress })) {
      reasons.add(entry.reason);
      if (!isStream) rows.add(isJson ? [entryLine(entry)] : entryCells(entry));
      else if (!(await streamOut(`${entryLine(entry)}\n`))) return 0;
      if (isJson && rows.isComplete) break;
    }
  } finally {
    terminal.progress('');
    await letters.close();
  }
  const lines = isJson ? rows.all.flat() : tableText(rows, reasons, letters.name);
  await streamOut(lines.map((line) => `${line}\n`).join(''));
  return 0;
}

/** The newest rows, or the oldest; no more than are to be shown are kept. */
class Rows {
  readonly #limit: number;
  readonly #oldest: boolean;
  #rows: (readonly string[])[] = [];

  constructor(limit: number, oldest: boolean) {
    this.#limit = limit;
    this.#oldest = oldest;
  }

  /** Nothing that comes later will be shown. */
  get isComplete(): boolean {
    return this.#oldest && this.#rows.length >= this.#limit;
  }

  get all(): readonly (readonly string[])[] {
    return this.#rows.slice(-this.#limit);
  }

  add(row: readonly string[]): void {
    if (this.isComplete) return;
    this.#rows.push(row);
    // Cut now and then, not with each row.
    if (this.#rows.length >= 2 * this.#limit + 1000) this.#rows = this.#rows.slice(-this.#limit);
  }
}

function tableText(rows: Rows, reasons: ReasonCounts, name: string): readonly string[] {
  const { total } = reasons;
  if (total === 0) return [`No dead letters in ${name} match.`];
  const columns = process.stdout.isTTY ? process.stdout.columns || 80 : Infinity;
  const fit = (line: string): string => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line);
  const shown = rows.all.length;
  const which = shown === total ? '' : `, ${shown} of them shown`;
  return [
    ...tableLines(HEADINGS, rows.all).map(fit),
    '',
    `${letterCount(total)} in ${name}${which}:`,
    ...reasons.lines(),
  ];
}
