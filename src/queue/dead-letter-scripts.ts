import type { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';

import { runScript, script } from './redis-scripts.js';

/** From this length on entries are looked at one by one. */
const SHORT_BYTES = 65_536;
const WINDOW_AFTER_SHORT = 250;

/**
 * Reads some dead letters. Places count from the right end, where the oldest lies at place 0: new ones are pushed at the left
 * and move nothing. The window within which the server looks at once grows while entries are short, and is one entry
 * after a long one, so that neither the server nor the answer holds many long ones at a time.
 * KEYS dead letters. ARGV first place, most entries, most bytes, longest entry that is answered whole, first window.
 * → SHA-1 of the entry before the first place ('' where there is none), then for each, oldest first: entry | {length, SHA-1}
 */
const READ = script(`
local first, most, budget, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local replies, bytes, window = {''}, 0, tonumber(ARGV[5])
if first > 0 then
  local before = redis.call('LRANGE', KEYS[1], -first, -first)[1]
  if before then replies[1] = redis.sha1hex(before) end
end
local function read()
  local right = -first - #replies
  local found = redis.call('LRANGE', KEYS[1], right - math.min(window, most - #replies + 1) + 1, right)
  window = math.min(window * 2, ${WINDOW_AFTER_SHORT})
  for place = #found, 1, -1 do
    local entry = found[place]
    if #entry > ${SHORT_BYTES} then window = 1 end
    if #entry > longest then
      table.insert(replies, {#entry, redis.sha1hex(entry)})
    else
      bytes = bytes + #entry
      table.insert(replies, entry)
    end
    if bytes >= budget then return false end
  end
  return #found > 0 and #replies <= most
end
repeat until not read()
return replies`);

/**
 * Takes dead letters out, each by its place and its bytes, and puts their elements at the producers' end of the queue where
 * that is asked for. Stops at the first that is not in its place: the list has moved. All are taken out by one LREM, which
 * would have to walk through the list once for each otherwise.
 * KEYS dead letters, their notes, queue, tries. ARGV 'redrive' or 'purge', a text that is no entry, then for each: place from
 * the right, entry, id of its note ('' for none), '=' where the element is the entry, else '+' and the element.
 * → how many, from the first on
 */
const TAKE = script(`
local dead, notes, queue, tries, gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2]
redis.call('HGET', notes, '')
redis.call('LLEN', queue)
redis.call('HGET', tries, '')
local taken = 0
for at = 3, #ARGV, 4 do
  local place, entry, note, element = -1 - tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if redis.call('LRANGE', dead, place, place)[1] ~= entry then break end
  if ARGV[1] == 'redrive' then
    element = element == '=' and entry or string.sub(element, 2)
    redis.call('LPUSH', queue, element)
    local sha = redis.sha1hex(element)
    redis.call('HDEL', tries, sha, sha .. ':k', sha .. ':t', sha .. ':f')
  end
  redis.call('LSET', dead, place, gone)
  if note ~= '' then redis.call('HDEL', notes, note) end
  taken = taken + 1
end
if taken > 0 then redis.call('LREM', dead, -taken, gone) end
return taken`);

/** An entry longer than what was asked for is known by its length and digest alone. */
export type ReadEntry = Buffer | { readonly sizeBytes: number; readonly sha1: string };

export interface ReadPage {
  /** SHA-1 of the entry before the first one, or '' where there is none. */
  readonly before: string;
  /** Oldest first. */
  readonly entries: readonly ReadEntry[];
  /** For the next page. */
  readonly window: number;
}

export interface ReadBounds {
  readonly most: number;
  readonly maxBytes: number;
  /** A longer entry is not answered whole. */
  readonly longestBytes: number;
  /** How many entries the server may look at in one go before it knows how long they are; that of the page before, or 1. */
  readonly window: number;
}

/** Reads dead letters from a place on; the oldest has place 0. */
export async function readEntries(
  client: Redis,
  deadLetters: string,
  first: number,
  { most, maxBytes, longestBytes, window }: ReadBounds,
): Promise<ReadPage> {
  const reply = await runScript(client, READ, [deadLetters], [first, most, maxBytes, longestBytes, window]);
  const [before, ...entries] = reply as readonly [Buffer, ...(Buffer | readonly [number, Buffer])[]];
  const isShort = entries.every((entry) => (Buffer.isBuffer(entry) ? entry.length : entry[0]) <= SHORT_BYTES);
  return {
    before: before.toString(),
    entries: entries.map((entry) =>
      Buffer.isBuffer(entry) ? entry : { sizeBytes: entry[0], sha1: entry[1].toString() },
    ),
    window: isShort ? WINDOW_AFTER_SHORT : 1,
  };
}

/** Where the parts of one queue lie that a dead letter leaves or goes to. */
export interface TakeKeys {
  readonly deadLetters: string;
  readonly deadLetterNotes: string;
  readonly queue: string;
  readonly tries: string;
}

/** A dead letter to be taken out. */
export interface TakeItem {
  /** The oldest has 0. */
  readonly place: number;
  readonly entry: Buffer;
  /** Of a bare entry's note. */
  readonly noteId: string | undefined;
  /** What goes back into the queue. */
  readonly element: Buffer;
  /** No other dead letter has the same bytes: the id of its own death is in them. */
  readonly isUnique: boolean;
}

/** Takes out dead letters, from the first on, until one is not in its place. Answers how many. One step on the server. */
export async function takeEntries(
  client: Redis,
  keys: TakeKeys,
  kind: 'redrive' | 'purge',
  items: readonly TakeItem[],
): Promise<number> {
  const args = items.flatMap(({ place, entry, noteId, element }) => [
    place,
    entry,
    noteId ?? '',
    kind === 'purge' || element.equals(entry) ? '=' : Buffer.concat([Buffer.from('+'), element]),
  ]);
  const scriptKeys = [keys.deadLetters, keys.deadLetterNotes, keys.queue, keys.tries];
  return Number(await runScript(client, TAKE, scriptKeys, [kind, newGrave(), ...args]));
}

/** A text that is no entry, for the places of those that are about to be removed. */
export function newGrave(): string {
  return `removed:${randomBytes(16).toString('hex')}`;
}
