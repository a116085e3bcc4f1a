import type { Redis } from 'ioredis';

import { readDeadLetter } from '../../src/queue/dead-letter.js';
import type { RedisKeys } from '../../src/queue/redis-keys.js';

/** Everything that a queue has in Redis, at one moment. Elements are as latin1 text; in lists, the one taken next is first. */
export interface QueueSnapshot {
  readonly waiting: readonly string[];
  readonly suspects: readonly string[];
  /** By due time. */
  readonly retry: readonly string[];
  /** By consumer, in the order of taking. */
  readonly held: ReadonlyMap<string, readonly string[]>;
  /** The first to die first. */
  readonly dead: readonly { readonly raw: string; readonly note: Readonly<Record<string, unknown>> }[];
  readonly tries: ReadonlyMap<string, string>;
  readonly consumers: readonly string[];
  /** Keys of the runner's own. */
  readonly keys: readonly string[];
}

/** One script: an element on its way from one key to the next while they are read would be seen in neither, or in both. */
const READ = `
local own = redis.call('keys', ARGV[1])
local held = {}
for _, key in ipairs(own) do
  if string.sub(key, 1, #ARGV[2]) == ARGV[2] then
    table.insert(held, string.sub(key, #ARGV[2] + 1))
    table.insert(held, redis.call('lrange', key, 0, -1))
  end
end
return {
  redis.call('lrange', KEYS[1], 0, -1), redis.call('lrange', KEYS[2], 0, -1), redis.call('zrange', KEYS[3], 0, -1),
  redis.call('lrange', KEYS[4], 0, -1), redis.call('hgetall', KEYS[5]), redis.call('smembers', KEYS[6]), held, own
}`;

export async function readQueue(client: Redis, keys: RedisKeys): Promise<QueueSnapshot> {
  const own = keys.processing('').replace(/p:$/, '');
  const keyList = [keys.queue, keys.suspects, keys.retry, keys.deadLetters, keys.tries, keys.consumers];
  const args = [`${own.replace(/[*?[\]\\]/g, '\\$&')}*`, keys.processing('')];
  const reply = (await client.callBuffer('EVAL', READ, keyList.length, ...keyList, ...args)) as unknown[];
  const [waiting = [], suspects = [], retry = [], dead = [], tries = [], consumers = [], held = [], names = []] = (
    reply as unknown[][]
  ).map((part) => part.map(latin1));
  return {
    waiting: (waiting as string[]).reverse(),
    suspects: (suspects as string[]).reverse(),
    retry: (retry as string[]).map((member) => member.slice(member.indexOf('|') + 1)),
    dead: (dead as string[]).reverse().map(readDead),
    tries: new Map(pairsOf(tries as string[])),
    consumers: consumers as string[],
    held: new Map(pairsOf(held).map(([consumer, list]) => [consumer as string, (list as string[]).reverse()])),
    keys: names as string[],
  };
}

/** Every element that is anywhere, once for each copy. */
export function residents({ waiting, suspects, retry, held, dead }: QueueSnapshot): string[] {
  return [...waiting, ...suspects, ...retry, ...[...held.values()].flat(), ...dead.map(({ raw }) => raw)];
}

/** What stands in `left` more often than in `right`, once for each copy. */
export function multisetDifference(left: readonly string[], right: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const element of right) counts.set(element, (counts.get(element) ?? 0) + 1);
  return left.filter((element) => {
    const count = counts.get(element) ?? 0;
    counts.set(element, count - 1);
    return count <= 0;
  });
}

function readDead(entry: string): QueueSnapshot['dead'][number] {
  const { original, note } = readDeadLetter(Buffer.from(entry, 'latin1'));
  return { raw: original.toString('latin1'), note: note ?? {} };
}

function latin1(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return Array.isArray(value) ? value.map(latin1) : value;
}

function pairsOf<T>(flat: readonly T[]): [T, T][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index] as T, flat[2 * index + 1] as T]);
}
