import type { Clock } from '../clock.js';
import { readDeadLetter, sha1Hex } from './dead-letter.js';
import { DeadLetterCursor, type PlacedEntry } from './dead-letter-cursor.js';
import type { DeadLetterEntry } from './dead-letter-entry.js';
import type { TakeItem } from './dead-letter-scripts.js';
import { makeTaker, type LetterTaker, type TakeKind } from './dead-letter-taker.js';
import type { ToolLinks } from './redis-tool-link.js';
import { pause } from './waiting.js';

/** With a rate, steps are a tenth of a second apart or more. */
const STEPS_PER_SECOND = 10;

/** How far a redrive or a purge is. */
export interface DeadLetterProgress {
  /** Taken out so far. */
  readonly taken: number;
  /** Looked at so far, of the `total` that there were at the start. */
  readonly seen: number;
  readonly total: number;
}

/** How dead letters are taken out. */
export interface DeadLetterTakeOptions {
  /**
   * At most so many, the oldest first.
   * @default Infinity
   */
  readonly limit?: number;
  /**
   * At most so many a second.
   * @default Infinity
   */
  readonly perSecond?: number;
  /** Ends it after the step that is under way; what is taken out stays so. */
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onProgress?: (progress: DeadLetterProgress) => void;
}

export interface TakeContext extends Required<Omit<DeadLetterTakeOptions, 'onProgress'>> {
  readonly links: ToolLinks;
  readonly kind: TakeKind;
  readonly matches: (entry: DeadLetterEntry) => boolean;
  readonly clock: Clock;
  readonly onProgress: (progress: DeadLetterProgress) => void;
}

/**
 * Takes the dead letters out that match, and puts their elements back into the queue for `redrive`. None is lost, whatever
 * ends this process and whoever else does the same; so it can be called again at any time. Within a slot each is in exactly
 * one list at any moment; see `ForeignTaker` for others.
 * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
 */
export async function takeMatching(context: TakeContext): Promise<number> {
  const { links, matches, limit, signal, onProgress } = context;
  const cursor = await DeadLetterCursor.open(links);
  const taker = makeTaker(links, context.clock);
  const pace = new Pace(context, taker.groupEntries);
  const isOver = (): boolean => signal.aborted;
  let taken = 0;
  while (taken < limit && !isOver()) {
    const page = await cursor.page();
    if (page.length === 0) break;
    const selected = page.filter(({ facts }) => matches(facts)).slice(0, limit - taken);
    const before = taken;
    for (const group of groups(selected, pace.groupSize)) {
      await pace.wait(taken);
      if (isOver()) break;
      const done = await takeGroup(context, taker, group, taken - before);
      taken += done;
      onProgress({ taken, seen: cursor.seen + taken - before, total: cursor.total });
      if (done < group.length) break;
    }
    // Where the list moved, or the end was asked for, the page ends before the first one that was not taken.
    const left = selected[taken - before];
    const behind = left === undefined ? page.length : page.indexOf(left);
    const gone = new Set(selected.slice(0, taken - before));
    cursor.advance(
      page.slice(0, behind).filter((entry) => !gone.has(entry)),
      gone.size,
    );
    onProgress({ taken, seen: cursor.seen, total: cursor.total });
  }
  return taken;
}

/** `shift`: so many of the same page were taken out before, so that all behind them have moved up. */
async function takeGroup(
  { links, kind, signal }: TakeContext,
  taker: LetterTaker,
  group: readonly PlacedEntry[],
  shift: number,
): Promise<number> {
  const items: TakeItem[] = [];
  for (const placed of group) {
    const place = placed.place - shift;
    const entry = placed.bytes ?? (await readWhole(links, place, placed.sha1()));
    // It has moved: what comes before it can be taken out all the same.
    if (entry === undefined) break;
    const element = placed.noteId === undefined ? readDeadLetter(entry).original : entry;
    items.push({ place, entry, element, noteId: placed.noteId, isUnique: hasNoteInside(placed) });
  }
  return items.length === 0 ? 0 : taker.take(kind, items, signal);
}

function hasNoteInside({ noteId, facts: { id, note } }: PlacedEntry): boolean {
  return noteId === undefined && note?.['id'] === id;
}

/** Loads a long entry from its place; undefined where another one lies there. */
export async function readWhole(
  { letters, keys: { deadLetters } }: ToolLinks,
  place: number,
  sha1: string,
): Promise<Buffer | undefined> {
  const [entry] = await letters.use((client) => client.lrangeBuffer(deadLetters, -1 - place, -1 - place));
  return entry !== undefined && sha1Hex(entry) === sha1 ? entry : undefined;
}

/** Long entries go alone, so that one of them is in memory at a time. */
function* groups(entries: readonly PlacedEntry[], size: number): Generator<readonly PlacedEntry[]> {
  let group: PlacedEntry[] = [];
  for (const entry of entries) {
    if (group.length > 0 && (group.length === size || entry.bytes === undefined)) {
      yield group;
      group = [];
    }
    group.push(entry);
    if (entry.bytes === undefined) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

/** Spreads steps over time. */
class Pace {
  readonly groupSize: number;
  readonly #context: TakeContext;
  readonly #startMs: number;

  constructor(context: TakeContext, groupEntries: number) {
    this.#context = context;
    this.#startMs = context.clock.now();
    this.groupSize = Math.min(groupEntries, Math.max(1, Math.floor(context.perSecond / STEPS_PER_SECOND)));
  }

  /** Waits until the next group may go, after so many that went. */
  async wait(taken: number): Promise<void> {
    const { perSecond, signal, clock } = this.#context;
    const waitMs = this.#startMs + (taken / perSecond) * 1000 - clock.now();
    if (waitMs > 0) await pause(waitMs, signal, clock);
  }
}
