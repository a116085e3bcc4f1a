import type { Clock } from '../clock.js';
import { readDeadLetter, type DeadLetter } from './dead-letter.js';
import { describeEntry, type DeadLetterEntry } from './dead-letter-entry.js';
import { compileFilter, type DeadLetterFilter } from './dead-letter-filter.js';
import type { DeadLetterTakeOptions } from './dead-letter-take.js';
import { resolveTakeOptions } from './dead-letter-take-options.js';
import type { DeadLetters, DeadLetterScanOptions } from './dead-letters.js';
import { pause } from './waiting.js';

/** A dead element of a queue in memory: its bytes, and what a list in Redis would hold. */
export interface DeadElement {
  readonly raw: Buffer;
  readonly letter: DeadLetter;
}

/** What the dead letters need of their queue. */
export interface DeadElements {
  readonly name: string;
  /** The first to die first; taken out of here. */
  readonly elements: DeadElement[];
  readonly clock: Clock;
  readonly requeue: (raw: Buffer) => void;
}

/** The dead letters of a queue in memory: the same promises as those in Redis, as long as the process lives. */
export class MemoryDeadLetters implements DeadLetters {
  readonly name: string;
  readonly #queue: DeadElements;

  constructor(queue: DeadElements) {
    this.name = `${queue.name}_dlq`;
    this.#queue = queue;
  }

  async *entries(
    filter: DeadLetterFilter = {},
    { onProgress }: DeadLetterScanOptions = {},
  ): AsyncGenerator<DeadLetterEntry, void, undefined> {
    const matches = compileFilter(filter);
    const all = [...this.#queue.elements];
    yield* all.map(describe).filter(matches);
    onProgress?.(all.length, all.length);
    await Promise.resolve();
  }

  async get(id: string): Promise<DeadLetterEntry | undefined> {
    for await (const entry of this.entries({ id })) return entry;
    return undefined;
  }

  redrive(filter: DeadLetterFilter = {}, options: DeadLetterTakeOptions = {}): Promise<number> {
    return this.#take('redrive', filter, options);
  }

  purge(filter: DeadLetterFilter = {}, options: DeadLetterTakeOptions = {}): Promise<number> {
    return this.#take('purge', filter, options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #take(
    kind: 'redrive' | 'purge',
    filter: DeadLetterFilter,
    takeOptions: DeadLetterTakeOptions,
  ): Promise<number> {
    const { limit, perSecond, signal, onProgress } = resolveTakeOptions(kind, takeOptions);
    const matches = compileFilter(filter);
    const { elements, clock, requeue } = this.#queue;
    // Those that die while this runs are left alone.
    const all = [...elements];
    let taken = 0;
    for (const [index, element] of all.entries()) {
      if (taken >= limit || signal.aborted) break;
      if (!matches(describe(element))) continue;
      if (taken > 0 && perSecond !== Infinity) await pause(1000 / perSecond, signal, clock);
      const place = elements.indexOf(element);
      // Taken out by somebody else meanwhile.
      if (place < 0 || isAborted(signal)) continue;
      elements.splice(place, 1);
      if (kind === 'redrive') requeue(originalOf(element));
      taken += 1;
      onProgress({ taken, seen: index + 1, total: all.length });
    }
    return taken;
  }
}

function describe({ letter: { entry, note, isBare } }: DeadElement): DeadLetterEntry {
  return describeEntry(entry, isBare ? { id: note.id, note: { ...note } } : undefined);
}

/** What the producer pushed: without the note of an earlier death. */
function originalOf({ raw, letter }: DeadElement): Buffer {
  return letter.isBare ? raw : readDeadLetter(letter.entry).original;
}

/** Apart, because it changes during a wait. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
