import type { RedisOptions } from 'ioredis';

import { RunnerError } from '../errors.js';

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** What a URL says: one or several hosts, and how all of them are spoken to. */
export interface RedisUrl extends Pick<RedisOptions, 'db' | 'username' | 'password' | 'tls'> {
  readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[];
}

const EXPECTED =
  'redisQueue: the option "url" must be like redis://[user:password@]host[:port][,host[:port]…][/db] or rediss://…';

/**
 * Reads `redis://user:password@host:port,host:port/db` (`rediss://` for TLS).
 * @throws RunnerError `OPTIONS_INVALID`; the message never repeats the URL, which may hold a password.
 */
export function parseRedisUrl(url: unknown): RedisUrl {
  if (typeof url !== 'string') throw invalid(`${EXPECTED}, but got a value of type ${typeof url}.`);
  const { first, hosts } = split(url.trim());
  if (first.protocol !== 'redis:' && first.protocol !== 'rediss:') {
    throw invalid(`${EXPECTED}, but got a URL that begins with ${JSON.stringify(first.protocol)}.`);
  }
  const db = first.pathname.replace(/^\//, '');
  if (!/^\d{0,9}$/.test(db)) throw invalid(`${EXPECTED}, but got a database that is not a number.`);
  return {
    hosts: hosts.map(({ hostname, port }) => ({
      host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
      port: port === '' ? undefined : Number(port),
    })),
    db: Number(db),
    ...(first.username && { username: decoded(first.username) }),
    ...(first.password && { password: decoded(first.password) }),
    ...(first.protocol === 'rediss:' && { tls: {} }),
  };
}

/** A URL has one host: each further one is read as if it stood alone. */
function split(url: string): { readonly first: URL; readonly hosts: readonly URL[] } {
  const [, scheme = '', credentials = '', names = '', rest = url] =
    /^([a-z]+:\/\/)([^/?#]*@)?([^/?#]*)(.*)$/is.exec(url) ?? [];
  const [name = '', ...others] = names.split(',');
  try {
    const first = new URL(scheme + credentials + name + rest);
    return { first, hosts: [first, ...others.map((other) => new URL(scheme + other.trim()))] };
  } catch {
    throw invalid(
      `${EXPECTED}, but got a text that is no URL (a "/", "#" or "@" in the password is written %2F, %23, %40).`,
    );
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('redisQueue: the user or password of the option "url" must be percent-encoded, but got a stray "%".');
  }
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
