import type { RedisOptions } from 'ioredis';

import { RunnerError } from '../errors.js';
import { parseRedisUrl, type RedisHost } from './redis-connection.js';

/** Where a queue lies, and how its server is found. `connection` holds what all connections have in common. */
export type RedisServers =
  | { readonly kind: 'single'; readonly connection: RedisOptions }
  | { readonly kind: 'cluster'; readonly connection: RedisOptions; readonly hosts: readonly RedisHost[] }
  | {
      readonly kind: 'sentinel';
      readonly connection: RedisOptions;
      readonly hosts: readonly RedisHost[];
      /** What the Sentinels call the primary. */
      readonly name: string;
    };

/** The options of a Redis queue that say where it lies; see `RedisQueueOptions`. */
export interface ServerOptions {
  readonly url?: string | undefined;
  readonly connection?: RedisOptions | undefined;
  readonly cluster?: boolean | undefined;
  readonly sentinelName?: string | undefined;
  readonly sentinelPassword?: string | undefined;
}

const DEFAULT_URL = 'redis://127.0.0.1:6379/0';
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** @throws RunnerError `OPTIONS_INVALID` */
export function resolveServers(options: ServerOptions): RedisServers {
  const { url, connection, cluster = false, sentinelName } = options;
  const given: unknown = cluster;
  if (typeof given !== 'boolean') throw invalid('"cluster" must be true or false.');
  if (sentinelName !== undefined && (typeof sentinelName !== 'string' || sentinelName === ''))
    throw invalid('"sentinelName" must be a text that is not empty.');
  if (cluster && (sentinelName !== undefined || connection?.sentinels))
    throw invalid('"cluster" and Sentinels exclude each other.');
  if (connection === undefined) return fromUrl(url ?? DEFAULT_URL, options);
  if (url !== undefined) throw invalid('"url" and "connection" exclude each other: give one of them.');
  return fromConnection(connection, options);
}

/** The servers without credentials: `127.0.0.1:6379/0`, the path of a socket, or who knows where they are. */
export function describeServers(servers: RedisServers): string {
  if (servers.kind === 'sentinel') return `the primary "${servers.name}" of ${servers.hosts.length} sentinels`;
  if (servers.kind === 'cluster') return `the cluster of ${servers.hosts.map(hostAndPort).join(', ')}`;
  const { path, host = 'localhost', port = REDIS_PORT, db = 0 } = servers.connection;
  return path ?? `${hostAndPort({ host, port })}/${db}`;
}

function fromUrl(url: string, { cluster, sentinelName: name, sentinelPassword }: ServerOptions): RedisServers {
  const { hosts: named, ...connection } = parseRedisUrl(url);
  const hosts = named.map(({ host, port }) => ({
    host,
    port: port ?? (name === undefined ? REDIS_PORT : SENTINEL_PORT),
  }));
  if (name !== undefined) {
    const password = sentinelPassword === undefined ? {} : { sentinelPassword };
    return { kind: 'sentinel', connection: { ...connection, ...password }, hosts, name };
  }
  if (cluster) return clusterOf(hosts, connection);
  if (hosts.length > 1) {
    throw invalid(
      '"url" may name several hosts only with "cluster" (REDIS_CLUSTER=1) or "sentinelName" (REDIS_SENTINEL_NAME).',
    );
  }
  return { kind: 'single', connection: { ...hosts[0], ...connection } };
}

function fromConnection(connection: RedisOptions, { cluster, sentinelName }: ServerOptions): RedisServers {
  const given: unknown = connection;
  if (typeof given !== 'object' || given === null) throw invalid('"connection" must be an object of ioredis options.');
  if (connection.keyPrefix) {
    throw invalid(
      '"connection.keyPrefix" must be absent: the producers\' list has no prefix; give the queue another "name".',
    );
  }
  if (sentinelName !== undefined) throw invalid('"sentinelName" goes with "url"; in "connection" it is "name".');
  const { sentinels, name, host = '127.0.0.1', port = REDIS_PORT } = connection;
  if (cluster) return clusterOf([{ host, port }], connection);
  if (!sentinels) return { kind: 'single', connection };
  if (sentinels.length === 0 || !name)
    throw invalid('"connection" must hold some "sentinels" and the "name" of the primary.');
  const hosts = sentinels.map((sentinel) => ({
    host: sentinel.host ?? '127.0.0.1',
    port: sentinel.port ?? SENTINEL_PORT,
  }));
  return { kind: 'sentinel', connection, hosts, name };
}

function clusterOf(hosts: readonly RedisHost[], connection: RedisOptions): RedisServers {
  if (connection.db) throw invalid(`"url" must name no database but 0 with "cluster", but it names ${connection.db}.`);
  return { kind: 'cluster', connection, hosts };
}

function hostAndPort({ host, port }: RedisHost): string {
  return `${host}:${port}`;
}

function invalid(rest: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', `redisQueue: the option ${rest}`);
}
