import type { RedisOptions } from 'ioredis';

import { RunnerError } from '../errors.js';

/**
 * Reads `redis://user:password@host:port/db` (`rediss://` for TLS).
 * @throws RunnerError `OPTIONS_INVALID`; the message never repeats the URL, which may hold a password.
 */
export function parseRedisUrl(url: unknown): RedisOptions {
  const expected = 'redisQueue: the option "url" must be like redis://[user:password@]host[:port][/db] or rediss://…';
  if (typeof url !== 'string') throw invalid(`${expected}, but got a value of type ${typeof url}.`);
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw invalid(
      `${expected}, but got a text that is no URL (a "/", "#" or "@" in the password is written %2F, %23, %40).`,
    );
  }
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') {
    throw invalid(`${expected}, but got a URL that begins with ${JSON.stringify(parsed.protocol)}.`);
  }
  const db = parsed.pathname.replace(/^\//, '');
  if (!/^\d{0,9}$/.test(db)) throw invalid(`${expected}, but got a database that is not a number.`);
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: Number(parsed.port || 6379),
    db: Number(db),
    ...(parsed.username && { username: decoded(parsed.username) }),
    ...(parsed.password && { password: decoded(parsed.password) }),
    ...(parsed.protocol === 'rediss:' && { tls: {} }),
  };
}

/** The server without credentials: `127.0.0.1:6379/0`, or the path of its socket. */
export function describeConnection({ path, host, port, db, sentinels, name }: RedisOptions): string {
  if (sentinels) return `the primary "${name ?? ''}" of ${sentinels.length} sentinels`;
  return path ?? `${host ?? 'localhost'}:${port ?? 6379}/${db ?? 0}`;
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
