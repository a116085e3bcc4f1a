import type { RedisOptions } from 'ioredis';

import { type Check, check, durationMs, resolveOptions, wholeNumberBetween } from '../check.js';
import { RunnerError } from '../errors.js';
import { COMMON_CHECKS, COMMON_DEFAULTS, defaultsFor, type CommonQueueOptions } from './queue-options.js';
import { describeServers, resolveServers, type RedisServers, type ServerOptions } from './redis-servers.js';

/** Which Redis and which lists, and how quickly dead consumers are noticed. */
export interface RedisQueueOptions extends CommonQueueOptions {
  /**
   * The server; `rediss://` for TLS. With `cluster` some nodes of the cluster, with `sentinelName` the Sentinels: several
   * hosts are separated by commas, as in `redis://user:password@a:7000,b:7000`.
   * @default 'redis://127.0.0.1:6379/0'
   */
  readonly url?: string;
  /**
   * The queue lies in a Redis Cluster.
   * @default false
   */
  readonly cluster?: boolean;
  /** The hosts of `url` are Sentinels (port 26379 where none is named), and this is what they call the primary. */
  readonly sentinelName?: string;
  /** The Sentinels' own password; that of `url` is the primary's. */
  readonly sentinelPassword?: string;
  /** ioredis' own connection options in place of `url`. What decides about lost answers is set by the queue itself. */
  readonly connection?: RedisOptions;
  /**
   * The list that dead letters go to.
   * @default `${name}_dlq`
   */
  readonly deadLetterName?: string;
  /**
   * Without a beat for so long a consumer counts as dead, in milliseconds.
   * @default 30000
   */
  readonly heartbeatTtlMs?: number;
  /**
   * Time between beats, in milliseconds; at most a third of `heartbeatTtlMs`.
   * @default 5000
   */
  readonly beatMs?: number;
  /**
   * Time between looks for dead consumers, in milliseconds.
   * @default 15000
   */
  readonly reapEveryMs?: number;
  /**
   * Time between looks for retries that are due, in milliseconds.
   * @default 1000
   */
  readonly promoteEveryMs?: number;
  /**
   * A job that so many consumers died with goes to the dead letters.
   * @default 3
   */
  readonly maxKills?: number;
}

/** What a tool must know of a queue that it looks at or mends. */
export type RedisToolOptions = Pick<
  RedisQueueOptions,
  'url' | 'connection' | 'cluster' | 'sentinelName' | 'sentinelPassword' | 'name' | 'deadLetterName' | 'jobs'
>;
type Plain = Required<Omit<RedisQueueOptions, keyof ServerOptions | 'deadLetterName'>>;

export interface ResolvedRedisQueueOptions extends Plain {
  readonly servers: RedisServers;
  readonly deadLetterName: string;
  /** The servers without credentials. */
  readonly where: string;
}

const DEFAULTS: Plain = {
  ...COMMON_DEFAULTS,
  heartbeatTtlMs: 30_000,
  beatMs: 5000,
  reapEveryMs: 15_000,
  promoteEveryMs: 1000,
  maxKills: 3,
};

const CHECKS: { readonly [Name in keyof Plain]: Check<Plain[Name]> } = {
  ...COMMON_CHECKS,
  heartbeatTtlMs: durationMs,
  beatMs: durationMs,
  reapEveryMs: durationMs,
  promoteEveryMs: durationMs,
  maxKills: wholeNumberBetween(1, 1000),
};

/** @throws RunnerError `OPTIONS_INVALID` */
export function resolveRedisQueueOptions(options: RedisQueueOptions): ResolvedRedisQueueOptions {
  const { url, connection, cluster, sentinelName, sentinelPassword, deadLetterName, ...plain } = options;
  const resolved = resolveOptions('redisQueue', plain, defaultsFor(DEFAULTS, plain), CHECKS);
  const { heartbeatTtlMs, beatMs, claimTimeoutMs } = resolved;
  if (beatMs > heartbeatTtlMs / 3) {
    throw invalid(
      `"beatMs" must be at most a third of "heartbeatTtlMs" (${heartbeatTtlMs}), but got ${beatMs} (number).`,
    );
  }
  // A blocking claim may end this much after the last look at the registration.
  if (claimTimeoutMs > heartbeatTtlMs / 3) {
    throw invalid(
      `"claimTimeoutMs" must be at most a third of "heartbeatTtlMs" (${heartbeatTtlMs}), but got ${claimTimeoutMs} (number).`,
    );
  }
  const servers = resolveServers({ url, connection, cluster, sentinelName, sentinelPassword });
  return Object.freeze({
    ...resolved,
    servers,
    where: describeServers(servers),
    deadLetterName: resolveDeadLetterName(deadLetterName ?? `${resolved.name}_dlq`, resolved.name),
  });
}

function resolveDeadLetterName(deadLetterName: string, name: string): string {
  const isName = check('', (value): value is string => typeof value === 'string' && value !== '' && value !== name);
  if (isName.accepts(deadLetterName)) return deadLetterName;
  throw invalid('"deadLetterName" must be a text that is neither empty nor the name of the queue itself.');
}

function invalid(rest: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', `redisQueue: the option ${rest}`);
}
