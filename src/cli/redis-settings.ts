import type { RedisQueueOptions } from '../queue/redis.js';
import type { Settings, VariableName } from './variables.js';

/** The settings of every command that speaks to Redis. */
export const REDIS_VARIABLES = [
  'redisUrl',
  'redisCluster',
  'sentinelName',
  'sentinelPassword',
] as const satisfies readonly VariableName[];

/** What they mean to `redisQueue()`, `deadLetters()` and `QueueWatch`. */
export function redisOptions({
  redisUrl: url,
  redisCluster: cluster,
  sentinelName,
  sentinelPassword,
}: Settings<(typeof REDIS_VARIABLES)[number]>): Pick<
  RedisQueueOptions,
  'url' | 'cluster' | 'sentinelName' | 'sentinelPassword'
> {
  return {
    ...{ url, cluster },
    ...(sentinelName !== '' && { sentinelName }),
    ...(sentinelPassword !== '' && { sentinelPassword }),
  };
}
