import { sha1Hex } from './dead-letter.js';
import { describeEntry, describeLongEntry, type DeadLetterEntry } from './dead-letter-entry.js';
import { KeptNotes } from './dead-letter-notes.js';
import { readEntries, type ReadEntry } from './dead-letter-scripts.js';
import type { ToolLinks } from './redis-tool-link.js';

const PAGE_ENTRIES = 500;
const PAGE_BYTES = 4 * 1024 * 1024;
/** A longer entry is told by its length and digest. */
const LONGEST_BYTES = 16 * 1024 * 1024;
/** How far back the reader looks for what it has passed, where others have taken entries out meanwhile. */
const LOOK_BACK = 512;
const ANCHORS = 64;

/** A dead letter where it lay when it was read. */
export interface PlacedEntry {
  /** From the right end; the oldest has 0. */
  readonly place: number;
  readonly facts: DeadLetterEntry;
  /** Undefined for a long one. */
  readonly bytes: Buffer | undefined;
  readonly sha1: () => string;
  /** The id of a bare entry's note, which goes with it. */
  readonly noteId: string | undefined;
}

/**
 * Walks through the dead letters from the oldest on, as many as there were at the start, page by page. What is pushed
 * meanwhile moves nothing, as it comes in at the other end. Where others take entries out meanwhile, those behind move up:
 * before each page the last entry passed must still be where it was, else it is looked for.
 */
export class DeadLetterCursor {
  readonly #links: ToolLinks;
  readonly #key: string;
  readonly #notes: KeptNotes;
  readonly total: number;
  #left: number;
  #passed = 0;
  #window = 1;
  /** Digests of the last entries passed, the last one at the end. */
  #anchors: readonly string[] = [];

  private constructor(links: ToolLinks, notes: KeptNotes, total: number) {
    this.#links = links;
    this.#key = links.keys.deadLetters;
    this.#notes = notes;
    this.total = total;
    this.#left = total;
  }

  /** @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE` */
  static async open(links: ToolLinks): Promise<DeadLetterCursor> {
    const { queue, letters, keys } = links;
    const total = await letters.use((client) => client.llen(keys.deadLetters));
    const notes = await queue.use((client) => KeptNotes.read(client, keys.deadLetterNotes));
    return new DeadLetterCursor(links, notes, total);
  }

  /** How many of the entries of the start have been passed or taken out. */
  get seen(): number {
    return this.total - this.#left;
  }

  /** The next entries, oldest first; the same again until `advance()` is called. Empty at the end. */
  async page(): Promise<readonly PlacedEntry[]> {
    while (this.#left > 0) {
      const most = Math.min(PAGE_ENTRIES, this.#left);
      const bounds = { most, maxBytes: PAGE_BYTES, longestBytes: LONGEST_BYTES, window: this.#window };
      const first = this.#passed;
      const { before, entries, window } = await this.#links.letters.use((client) =>
        readEntries(client, this.#key, first, bounds),
      );
      this.#window = window;
      const anchor = this.#anchors.at(-1);
      if (anchor === undefined || anchor === before) return this.#place(first, entries);
      await this.#findAnchor();
    }
    return [];
  }

  /** Goes on behind entries of the page: those that stay, and how many were taken out. */
  advance(kept: readonly PlacedEntry[], removed: number): void {
    this.#passed += kept.length;
    this.#left -= kept.length + removed;
    this.#anchors = [...this.#anchors, ...kept.slice(-ANCHORS).map(({ sha1 }) => sha1())].slice(-ANCHORS);
  }

  /** Others have taken entries out: goes on behind the last one passed that is still there. */
  async #findAnchor(): Promise<void> {
    const from = Math.max(0, this.#passed - LOOK_BACK);
    const bounds = { most: this.#passed - from, maxBytes: 1, longestBytes: -1, window: 1 };
    const { entries } = await this.#links.letters.use((client) => readEntries(client, this.#key, from, bounds));
    const digests = entries.map((entry) => (Buffer.isBuffer(entry) ? '' : entry.sha1));
    for (let count = this.#anchors.length; count > 0; count -= 1) {
      const place = digests.lastIndexOf(this.#anchors[count - 1] ?? '');
      if (place < 0) continue;
      this.#passed = from + place + 1;
      this.#anchors = this.#anchors.slice(0, count);
      return;
    }
    // So many have gone that none is known again: some are looked at twice rather than left out.
    this.#passed = from;
    this.#anchors = [];
  }

  async #place(first: number, entries: readonly ReadEntry[]): Promise<readonly PlacedEntry[]> {
    const sha1Of = (entry: ReadEntry): string => (Buffer.isBuffer(entry) ? sha1Hex(entry) : entry.sha1);
    const kept = this.#notes.isEmpty
      ? []
      : await this.#links.queue.use((client) => this.#notes.of(client, entries.map(sha1Of)));
    return entries.map((entry, index) => {
      const note = kept[index];
      return {
        place: first + index,
        facts: Buffer.isBuffer(entry)
          ? describeEntry(entry, note)
          : describeLongEntry(entry.sizeBytes, entry.sha1, note),
        bytes: Buffer.isBuffer(entry) ? entry : undefined,
        sha1: () => sha1Of(entry),
        noteId: note?.id,
      };
    });
  }
}
