import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';

import { refusalCode } from './redis-errors.js';

/**
 * The steps that must be one. Rules for every script:
 * - every key is declared, so that servers that lock by key can run it;
 * - all reads come first (a key of a wrong type fails before anything is written), the destination is written before the
 *   source is touched, and the element leaves the processing list last;
 * - carrying it out twice is carrying it out once, also while an identical element lies in the same list; TAKE and
 *   ACKNOWLEDGE are not like that, and never sent again before list and book are compared;
 * - an element is bytes: nothing in it is decoded.
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

const NOW_MS = `
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end`;

/**
 * Moves elements from the right of a list to the left of the processing list.
 * KEYS source, processing, suspects. ARGV most to move. → {how many suspects are left, element, element, …}
 */
export const TAKE = script(`
local suspects = redis.call('LLEN', KEYS[3])
local reply = {suspects}
for i = 1, tonumber(ARGV[1]) do
  local raw = redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT')
  if not raw then break end
  reply[i + 1] = raw
end
if KEYS[1] == KEYS[3] then reply[1] = suspects - (#reply - 1) end
return reply`);

/**
 * Removes finished elements from the processing list, the oldest of identical ones first, and forgets their counters.
 * KEYS processing, tries. ARGV element, element, … → {place in ARGV of each that isn't there}
 */
export const ACKNOWLEDGE = script(`
if redis.call('EXISTS', KEYS[2]) == 1 then
  local fields = {}
  for _, raw in ipairs(ARGV) do
    local sha = redis.sha1hex(raw)
    for _, suffix in ipairs({'', ':k', ':t', ':f'}) do fields[#fields + 1] = sha .. suffix end
  end
  for i = 1, #fields, 1000 do redis.pcall('HDEL', KEYS[2], unpack(fields, i, math.min(i + 999, #fields))) end
end
local missing = {}
for i, raw in ipairs(ARGV) do
  if redis.call('LREM', KEYS[1], -1, raw) == 0 then missing[#missing + 1] = i end
end
return missing`);

/**
 * Counts a failed attempt and puts the element into the retry set.
 * KEYS processing, retry, tries. ARGV element, nonce, delay (ms) after attempt 1, after attempt 2, …
 * → {'scheduled', attempts, delay} | {'spent', attempts, kills, first failure} (nothing changed) | {'absent'} | {'replay'}
 */
export const RETRY = script(`${NOW_MS}
local raw, member = ARGV[1], ARGV[2] .. '|' .. ARGV[1]
if redis.call('ZSCORE', KEYS[2], member) then return {'replay'} end
if not redis.call('LPOS', KEYS[1], raw) then return {'absent'} end
local sha = redis.sha1hex(raw)
local known = redis.call('HMGET', KEYS[3], sha, sha .. ':k', sha .. ':f')
local attempts = tonumber(known[1] or 0) + 1
local delay = ARGV[2 + attempts]
local now = now_ms()
if not delay then return {'spent', attempts, tonumber(known[2] or 0), known[3] or text(now)} end
redis.call('ZADD', KEYS[2], text(now + tonumber(delay)), member)
redis.call('HSET', KEYS[3], sha, attempts, sha .. ':t', text(now), sha .. ':f', known[3] or text(now))
redis.call('LREM', KEYS[1], -1, raw)
return {'scheduled', attempts, tonumber(delay)}`);

/**
 * Moves the element to the dead letters, or to the outbox on their way there, and forgets its counters.
 * KEYS processing, dead letters or outbox, tries, notes of dead letters, sent (with the outbox). ARGV element, entry, id of the note, note (bare entries only).
 * → 'buried' | 'absent' | 'replay'
 */
export const BURY = script(`
local raw, entry, id, note = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if note then
  if redis.call('HGET', KEYS[4], id) then return 'replay' end
elseif redis.call('LPOS', KEYS[2], entry, 'MAXLEN', 100) then
  return 'replay'
elseif KEYS[5] and redis.call('LPOS', KEYS[5], redis.sha1hex(entry)) then
  return 'replay'
end
if not redis.call('LPOS', KEYS[1], raw) then return 'absent' end
local sha = redis.sha1hex(raw)
redis.call('HGET', KEYS[3], sha)
redis.call('LPUSH', KEYS[2], entry)
if note then redis.call('HSET', KEYS[4], id, note) end
redis.call('HDEL', KEYS[3], sha, sha .. ':k', sha .. ':t', sha .. ':f')
redis.call('LREM', KEYS[1], -1, raw)
return 'buried'`);

/**
 * Takes a dead letter that has arrived in another slot out of the outbox, and remembers it for a while, so that its burial
 * is known again. The memory may be refused when there is no room: an entry that stayed would be sent again and again.
 * KEYS outbox, sent. ARGV entry, milliseconds to remember. → 1 | 0 where it isn't there
 */
export const SENT = script(`
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.pcall('LPUSH', KEYS[2], redis.sha1hex(ARGV[1]))
redis.pcall('LTRIM', KEYS[2], 0, 999)
redis.pcall('PEXPIRE', KEYS[2], ARGV[2])
return 1`);

/**
 * Puts a suspect back among the suspects, to be taken next.
 * KEYS processing, suspects. ARGV element. → 1 | 0 where it isn't there
 */
export const GIVE_BACK_SUSPECT = script(`
if not redis.call('LPOS', KEYS[1], ARGV[1]) then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('LREM', KEYS[1], -1, ARGV[1])
return 1`);

/**
 * Moves due elements from the retry set to the end of the queue that is taken next.
 * KEYS retry, queue. ARGV most to move. → how many
 */
export const PROMOTE = script(`${NOW_MS}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now_ms()), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  redis.call('RPUSH', KEYS[2], string.sub(member, string.find(member, '|', 1, true) + 1))
  redis.call('ZREM', KEYS[1], member)
end
return #due`);

/**
 * Moves what a dead consumer held to the suspects and counts a kill for each, but one for identical elements: it died once.
 * Strikes it off once it holds nothing.
 * KEYS heartbeat, processing, suspects, consumers, tries. ARGV consumer, most to move. → how many | -1 where it lives
 */
export const REAP = script(`${NOW_MS}
if redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
redis.call('LLEN', KEYS[3])
local moved, counted = 0, {}
while moved < tonumber(ARGV[2]) do
  local raw = redis.call('LRANGE', KEYS[2], -1, -1)[1]
  if not raw then break end
  local sha = redis.sha1hex(raw)
  if not counted[sha] then
    counted[sha] = true
    redis.call('HINCRBY', KEYS[5], sha .. ':k', 1)
    redis.call('HSET', KEYS[5], sha .. ':t', text(now_ms()))
  end
  redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT')
  moved = moved + 1
end
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('SREM', KEYS[4], ARGV[1]) end
return moved`);

/** Runs a script by its digest, or by its text where the server has forgotten it. Replies hold Buffers and numbers. */
export async function runScript(
  client: Redis,
  { lua, sha1 }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await client.callBuffer('EVALSHA', sha1, keys.length, ...keys, ...args);
  } catch (thrown) {
    if (refusalCode(thrown) !== 'NOSCRIPT') throw thrown;
    return await client.callBuffer('EVAL', lua, keys.length, ...keys, ...args);
  }
}

/** A script and the digest that the server knows it by. */
export function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
