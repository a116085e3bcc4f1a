import type { Redis } from 'ioredis';
import { coerceError, type RunnerError } from '../errors.js';
import { refusalCode } from './redis-errors.js';
import { resolveRedisQueueOptions, type RedisToolOptions } from './redis-options.js';
import { describeServers } from './redis-servers.js';
import { ToolLinks } from './redis-tool-link.js';

/** What a Redis server says of itself, as far as it matters to a queue. What it doesn't tell is undefined. */
export interface RedisExam {
  /** The server without credentials. */
  readonly where: string;
  /** Why it can't be used at all; the rest is then unknown. */
  readonly failure?: RunnerError;
  readonly version?: string;
  /** `noeviction`, `allkeys-lru`, … */
  readonly evictionPolicy?: string;
  /** Whether pushes survive a restart: an append-only file, snapshots, or not at all. */
  readonly persistence?: 'aof' | 'snapshots' | 'none';
  /** Commands that the user may not use on the keys of this queue; undefined where the server can't tell (before 7.0). */
  readonly missingRights?: readonly string[];
}

/** Asks `ACL` about a command without carrying it out. ARGV: queue, dead letters, a key of the runner's own; none is touched. */
const RIGHTS = `
local queue, letters, own = ARGV[1], ARGV[2], ARGV[3]
if not redis.acl_check_cmd then return false end
local commands = {
  {'LMOVE', queue, own, 'RIGHT', 'LEFT'}, {'BLMOVE', queue, own, 'RIGHT', 'LEFT', '0'}, {'RPUSH', queue, ''}, {'LPUSH', queue, ''},
  {'LLEN', queue}, {'LPUSH', letters, ''}, {'LPOS', letters, ''}, {'LLEN', letters}, {'LREM', own, '0', ''}, {'LPOS', own, ''},
  {'LRANGE', own, '0', '0'}, {'SET', own, ''}, {'EXISTS', own}, {'PEXPIRE', own, '1'}, {'UNLINK', own}, {'HINCRBY', own, 'f', '1'},
  {'HSET', own, 'f', ''}, {'HGET', own, 'f'}, {'HMGET', own, 'f'}, {'HDEL', own, 'f'}, {'HSCAN', own, '0'}, {'ZSCORE', own, ''},
  {'ZADD', own, '0', ''}, {'ZREM', own, ''}, {'ZRANGEBYSCORE', own, '0', '0'}, {'ZCARD', own}, {'SADD', own, ''},
  {'SREM', own, ''}, {'SMEMBERS', own}, {'SCAN', '0'}, {'EVALSHA', '', '0'}, {'TIME'}, {'INFO'}, {'CLIENT', 'SETNAME', ''},
}
local missing = {}
for _, command in ipairs(commands) do
  if not redis.acl_check_cmd(unpack(command)) then
    local key = command[2] == queue and ' on the queue' or command[2] == letters and ' on the dead letters' or ''
    missing[#missing + 1] = string.lower(command[1]) .. key
  end
end
return missing`;

/**
 * Looks at the server of a queue. Changes nothing there. A server that is away is a finding, too.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export async function examineRedis(given: RedisToolOptions): Promise<RedisExam> {
  const options = resolveRedisQueueOptions(given);
  const links = new ToolLinks(options);
  const where = describeServers(options.servers);
  try {
    await links.ready();
    return await links.queue.use((client) => examine(client, where, links));
  } catch (thrown) {
    return { where, failure: coerceError(thrown, 'QUEUE_UNAVAILABLE') };
  } finally {
    await links.close();
  }
}

async function examine(client: Redis, where: string, { keys }: ToolLinks): Promise<RedisExam> {
  const facts = infoFacts((await unlessRefused(client.info())) ?? '');
  // On a cluster with the dead letters in another slot they are written by way of the outbox.
  const names = [keys.queue, keys.outbox ?? keys.deadLetters, `${keys.consumers}:doctor`];
  const missing = await unlessRefused(client.eval(RIGHTS, 0, ...names));
  const isKnown = facts.size > 0;
  const version = facts.get('redis_version');
  const evictionPolicy = facts.get('maxmemory_policy');
  const snapshots = await unlessRefused(client.config('GET', 'save'));
  return {
    where,
    ...(version !== undefined && { version }),
    ...(evictionPolicy !== undefined && { evictionPolicy }),
    ...(isKnown && { persistence: persistenceOf(facts.get('aof_enabled'), snapshots) }),
    ...(missing === undefined && { missingRights: ['eval'] }),
    ...(Array.isArray(missing) && { missingRights: missing.map(String) }),
  };
}

/** Where the snapshots' rule may not be read they are taken to be on, as they are by default. */
function persistenceOf(aofEnabled: string | undefined, snapshots: unknown): 'aof' | 'snapshots' | 'none' {
  if (aofEnabled === '1') return 'aof';
  return Array.isArray(snapshots) && snapshots[1] === '' ? 'none' : 'snapshots';
}

async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (refusalCode(thrown) === undefined) throw thrown;
    return undefined;
  }
}

function infoFacts(info: string): ReadonlyMap<string, string> {
  return new Map(
    info.split(/\r?\n/).flatMap((line) => {
      const [name = '', ...rest] = line.split(':');
      return rest.length === 0 ? [] : [[name, rest.join(':')] as const];
    }),
  );
}
