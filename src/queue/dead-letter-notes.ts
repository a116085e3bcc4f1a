import type { Redis } from 'ioredis';

import { isObject, parseObject } from './dead-letter.js';
import type { KeptNote } from './dead-letter-entry.js';

/**
 * The notes of bare entries. Which entry a note belongs to is told by the SHA-1 in it, so all of them are read once: some
 * 200 bytes are kept for each, a small part of what the long entries themselves take in Redis.
 */
export class KeptNotes {
  readonly #key: string;
  readonly #ids = new Map<string, string[]>();

  private constructor(key: string) {
    this.#key = key;
  }

  /** `key` is that of the hash. Notes that are written later belong to entries that are pushed later. */
  static async read(client: Redis, key: string): Promise<KeptNotes> {
    const notes = new KeptNotes(key);
    let cursor = '0';
    do {
      const [next, pairs] = await client.hscanBuffer(key, cursor, 'COUNT', 500);
      cursor = next.toString();
      for (let at = 0; at + 1 < pairs.length; at += 2) notes.#add(pairs[at]?.toString() ?? '', pairs[at + 1]);
    } while (cursor !== '0');
    for (const ids of notes.#ids.values()) ids.sort();
    return notes;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /**
   * The notes of some entries, by the SHA-1 of each. Identical entries have a note each: the first has the oldest.
   */
  async of(client: Redis, sha1s: readonly string[]): Promise<readonly (KeptNote | undefined)[]> {
    const wanted = new Map([...new Set(sha1s)].flatMap((sha1) => [[sha1, this.#ids.get(sha1) ?? []] as const]));
    const ids = [...wanted.values()].flat();
    if (ids.length === 0) return sha1s.map(() => undefined);
    // Asked for again each time: some may have gone with their entries.
    const values = await client.hmgetBuffer(this.#key, ...ids);
    const present = new Map(ids.map((id, index) => [id, parseNote(values[index])]));
    return sha1s.map((sha1) => {
      const left = wanted.get(sha1) ?? [];
      const place = left.findIndex((id) => present.get(id) !== undefined);
      const id = left[place];
      wanted.set(sha1, place < 0 ? [] : left.slice(place + 1));
      const note = id === undefined ? undefined : present.get(id);
      return id === undefined || note === undefined ? undefined : { id, note };
    });
  }

  #add(id: string, value: Buffer | undefined): void {
    const sha1 = parseNote(value)?.['sha1'];
    if (typeof sha1 !== 'string' || id === '') return;
    const ids = this.#ids.get(sha1);
    if (ids === undefined) this.#ids.set(sha1, [id]);
    else if (!ids.includes(id)) ids.push(id);
  }
}

function parseNote(value: Buffer | null | undefined): Readonly<Record<string, unknown>> | undefined {
  const note = value ? parseObject(value) : undefined;
  return isObject(note) ? note : undefined;
}
