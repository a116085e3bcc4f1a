import { escapeControls } from '../escape-controls.js';
import { tableLines } from '../models/table.js';

/** Anybody may write a note with a reason of its own. */
const MOST_REASONS = 100;
const OTHERS = '(others)';

/** Counts dead letters by reason; memory stays bounded. */
export class ReasonCounts {
  readonly #counts = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(reason: string): void {
    this.#total += 1;
    const isNew = !this.#counts.has(reason) && this.#counts.size >= MOST_REASONS;
    const key = isNew ? OTHERS : reason.slice(0, 100);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** The most frequent first. */
  entries(): readonly (readonly [reason: string, count: number])[] {
    return [...this.#counts].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  }

  lines(): readonly string[] {
    return tableLines(
      ['count', 'reason'],
      this.entries().map(([reason, count]) => [String(count), escapeControls(reason)]),
    );
  }
}

/** `1 dead letter`, `2 dead letters` */
export function letterCount(count: number): string {
  return `${count} dead letter${count === 1 ? '' : 's'}`;
}
