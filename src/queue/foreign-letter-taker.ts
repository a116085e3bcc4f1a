import { randomUUID } from 'node:crypto';

import type { Clock } from '../clock.js';
import { sha1Hex } from './dead-letter.js';
import { newGrave, type TakeItem } from './dead-letter-scripts.js';
import type { LetterTaker, TakeKind } from './dead-letter-taker.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { runScript, script } from './redis-scripts.js';
import { pause } from './waiting.js';

const GATE_POLL_MS = 50;
/** Longer than the steps of a group take, for which a connection of a megabyte a second is enough. */
const GATE_MS = 10_000;
const GATE_BYTES_PER_MS = 1000;
const REMEMBER_MS = 86_400_000;

/** To the server of the queue's slot, and to that of the dead letters'. */
interface SlotLinks {
  readonly keys: RedisKeys;
  readonly queue: Pick<RedisLink, 'use'>;
  readonly letters: Pick<RedisLink, 'use'>;
}

/**
 * Looks which dead letters lie in their places, from the first on, and removes these where a grave is given.
 * KEYS dead letters. ARGV a text that is no entry, or '' to look only, then for each: place from the right, entry.
 * → how many
 */
const PICK = script(`
local dead, gone, found = KEYS[1], ARGV[1], 0
for at = 2, #ARGV, 2 do
  local place = -1 - tonumber(ARGV[at])
  if redis.call('LRANGE', dead, place, place)[1] ~= ARGV[at + 1] then break end
  if gone ~= '' then redis.call('LSET', dead, place, gone) end
  found = found + 1
end
if gone ~= '' and found > 0 then redis.call('LREM', dead, -found, gone) end
return found`);

/**
 * Puts elements at the producers' end of the queue, except those that a redrive which ended half-way has put there, and
 * remembers them by their marks. Does nothing where the gate is somebody else's by now.
 * KEYS gate, queue, tries, redriven. ARGV the gate's token, milliseconds to remember, then for each: mark ('' for none), element.
 * → 1 | 0 where the gate was lost
 */
const PUT_BACK = script(`
local queue, tries, redriven = KEYS[2], KEYS[3], KEYS[4]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('LLEN', queue)
redis.call('HGET', tries, '')
local before = {}
for at = 3, #ARGV, 2 do
  local mark = ARGV[at]
  before[mark] = mark ~= '' and tonumber(redis.call('HGET', redriven, mark) or 0) or 0
end
for at = 3, #ARGV, 2 do
  local mark, element = ARGV[at], ARGV[at + 1]
  if before[mark] > 0 then
    before[mark] = before[mark] - 1
  else
    redis.call('LPUSH', queue, element)
    local sha = redis.sha1hex(element)
    redis.call('HDEL', tries, sha, sha .. ':k', sha .. ':t', sha .. ':f')
    if mark ~= '' then redis.call('HINCRBY', redriven, mark, 1) end
  end
end
redis.call('PEXPIRE', redriven, ARGV[2])
return 1`);

/**
 * Forgets what is known of dead letters that have been removed, and opens the gate where it is still ours.
 * KEYS gate, notes, redriven. ARGV the gate's token, then for each: mark ('' for none), id of its note ('' for none).
 */
const LEAVE = script(`
for at = 2, #ARGV, 2 do
  local mark, note = ARGV[at], ARGV[at + 1]
  local count = mark ~= '' and tonumber(redis.call('HGET', KEYS[3], mark) or 0) or 0
  if count == 1 then redis.call('HDEL', KEYS[3], mark) end
  if count > 1 then redis.call('HINCRBY', KEYS[3], mark, -1) end
  if note ~= '' then redis.call('HDEL', KEYS[2], note) end
end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end
return 1`);

/**
 * Takes dead letters out that lie in another slot than the queue: two servers can't do that in one step. A group goes back
 * into the queue first and is removed then, behind a gate. Whoever dies in between leaves it in both places: it is never
 * lost, and an entry with a note inside is known again by its mark, so that the next redrive removes it only. Entries whose
 * bytes may be those of another one have no mark; they go back into the queue once more.
 */
export class ForeignTaker implements LetterTaker {
  /** What is in both places for a moment. */
  readonly groupEntries = 50;
  readonly #links: SlotLinks;
  readonly #clock: Clock;

  constructor(links: SlotLinks, clock: Clock) {
    this.#links = links;
    this.#clock = clock;
  }

  async take(kind: TakeKind, items: readonly TakeItem[], signal: AbortSignal): Promise<number> {
    const token = randomUUID();
    const bytes = items.reduce((sum, { entry }) => sum + entry.length, 0);
    if (!(await this.#enter(token, GATE_MS + Math.ceil(bytes / GATE_BYTES_PER_MS), signal))) return 0;
    let removed: readonly TakeItem[] = [];
    try {
      // The page may be older than what others have taken behind the gate.
      const present = kind === 'purge' ? items : items.slice(0, await this.#pick('', items));
      if (present.length === 0) return 0;
      if (kind === 'redrive' && !(await this.#putBack(token, present))) return 0;
      removed = present.slice(0, await this.#pick(newGrave(), present));
      return removed.length;
    } finally {
      await this.#leave(token, removed);
    }
  }

  /** Waits for whoever is behind the gate; it opens by itself when that one is gone. False where `signal` aborts. */
  async #enter(token: string, gateMs: number, signal: AbortSignal): Promise<boolean> {
    const { queue, keys } = this.#links;
    while (!signal.aborted) {
      if ((await queue.use((client) => client.set(keys.takeGate, token, 'PX', gateMs, 'NX'))) === 'OK') return true;
      await pause(GATE_POLL_MS, signal, this.#clock);
    }
    return false;
  }

  async #pick(grave: string, items: readonly TakeItem[]): Promise<number> {
    const { letters, keys } = this.#links;
    const args = items.flatMap(({ place, entry }) => [place, entry]);
    return Number(await letters.use((client) => runScript(client, PICK, [keys.deadLetters], [grave, ...args])));
  }

  async #putBack(token: string, items: readonly TakeItem[]): Promise<boolean> {
    const { queue, keys } = this.#links;
    const scriptKeys = [keys.takeGate, keys.queue, keys.tries, keys.redriven];
    const args = items.flatMap((item) => [markOf(item), item.element]);
    return (await queue.use((client) => runScript(client, PUT_BACK, scriptKeys, [token, REMEMBER_MS, ...args]))) === 1;
  }

  async #leave(token: string, removed: readonly TakeItem[]): Promise<void> {
    const { queue, keys } = this.#links;
    const scriptKeys = [keys.takeGate, keys.deadLetterNotes, keys.redriven];
    const args = removed.flatMap((item) => [markOf(item), item.noteId ?? '']);
    await queue.use((client) => runScript(client, LEAVE, scriptKeys, [token, ...args]));
  }
}

function markOf({ entry, isUnique }: TakeItem): string {
  return isUnique ? sha1Hex(entry) : '';
}
