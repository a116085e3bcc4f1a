import type { RedisOptions } from 'ioredis';

import { type Check, check, durationMs, resolveOptions, wholeNumberBetween } from '../check.js';
import { RunnerError } from '../errors.js';
import { COMMON_CHECKS, COMMON_DEFAULTS, defaultsFor, type CommonQueueOptions } from './queue-options.js';
import { describeConnection, parseRedisUrl } from './redis-connection.js';

/** Which Redis and which lists, and how quickly dead consumers are noticed. */
export interface RedisQueueOptions extends CommonQueueOptions {
  /**
   * The server; `rediss://` for TLS.
   * @default 'redis://127.0.0.1:6379/0'
   */
  readonly url?: string;
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

type Plain = Required<Omit<RedisQueueOptions, 'url' | 'connection' | 'deadLetterName'>>;

export interface ResolvedRedisQueueOptions extends Plain {
  readonly connection: RedisOptions;
  readonly deadLetterName: string;
  /** The server without credentials. */
  readonly where: string;
}

const DEFAULT_URL = 'redis://127.0.0.1:6379/0';

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
  const { url, connection, deadLetterName, ...plain } = options;
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
  const server = resolveServer(url, connection);
  return Object.freeze({
    ...resolved,
    connection: server,
    where: describeConnection(server),
    deadLetterName: resolveDeadLetterName(deadLetterName ?? `${resolved.name}_dlq`, resolved.name),
  });
}

function resolveServer(url: string | undefined, connection: RedisOptions | undefined): RedisOptions {
  if (connection === undefined) return parseRedisUrl(url ?? DEFAULT_URL);
  if (url !== undefined) throw invalid('"url" and "connection" exclude each other: give one of them.');
  const given: unknown = connection;
  if (typeof given !== 'object' || given === null) throw invalid('"connection" must be an object of ioredis options.');
  if (connection.keyPrefix) {
    throw invalid(
      '"connection.keyPrefix" must be absent: the producers\' list has no prefix; give the queue another "name".',
    );
  }
  return connection;
}

function resolveDeadLetterName(deadLetterName: string, name: string): string {
  const isName = check('', (value): value is string => typeof value === 'string' && value !== '' && value !== name);
  if (isName.accepts(deadLetterName)) return deadLetterName;
  throw invalid('"deadLetterName" must be a text that is neither empty nor the name of the queue itself.');
}

function invalid(rest: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', `redisQueue: the option ${rest}`);
}
