import type { Redis } from 'ioredis';

/** One script: an element that moves from one list to the next while they are counted would be seen in neither. */
const COUNT = `
local left = {}
local keys = redis.call('keys', 'runner:{' .. KEYS[1] .. '}:*')
table.insert(keys, KEYS[1])
for _, key in ipairs(keys) do
  local kind = redis.call('type', key).ok
  local size = kind == 'list' and redis.call('llen', key) or kind == 'zset' and redis.call('zcard', key) or 0
  if size > 0 then
    table.insert(left, key)
    table.insert(left, size)
  end
end
return left`;

/** How many elements each key of a queue holds, at one moment: what waits, is in hand, waits to be tried again, is suspect. */
export async function queueLeft(client: Redis, queue: string): Promise<Record<string, number>> {
  const flat = (await client.eval(COUNT, 1, queue)) as (string | number)[];
  const left: Record<string, number> = {};
  for (let i = 0; i < flat.length; i += 2) left[String(flat[i])] = Number(flat[i + 1]);
  return left;
}

/** Keys of a server but for the locks of looks for the dead, which run out by themselves. */
export async function keysLeft(client: Redis): Promise<readonly string[]> {
  return (await client.keys('*')).filter((key) => !key.endsWith(':reaplock'));
}
