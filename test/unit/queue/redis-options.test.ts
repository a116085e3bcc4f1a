import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { type RunnerError } from '../../../src/errors.js';
import { describeConnection, parseRedisUrl } from '../../../src/queue/redis-connection.js';
import { queueError, refusalCode } from '../../../src/queue/redis-errors.js';
import { type RedisQueueOptions, resolveRedisQueueOptions } from '../../../src/queue/redis-options.js';

describe('parseRedisUrl', () => {
  it('reads host, port, database, user and password', () => {
    expect(parseRedisUrl('redis://me:p%40ss@[::1]:6380/3')).toEqual({
      host: '::1',
      port: 6380,
      db: 3,
      username: 'me',
      password: 'p@ss',
    });
  });

  it('fills in what Redis takes for granted', () => {
    expect(parseRedisUrl('redis://cache')).toEqual({ host: 'cache', port: 6379, db: 0 });
  });

  it('security 12: speaks TLS to rediss://, which verifies certificates', () => {
    expect(parseRedisUrl('rediss://cache')).toMatchObject({ tls: {} });
  });

  it.each([
    'http://u:hunter2@x/',
    'redis://u:hunter2@x/db',
    'u:hunter2@x',
    'redis://u:hunter2%@x',
    'redis://u:hunter2/@x',
  ])('refuses %s without repeating the password', (url) => {
    const error = failure(() => parseRedisUrl(url));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toMatch(/"url"/);
    expect(`${error.message}${String(error.stack)}${String(error.cause)}`).not.toContain('hunter2');
  });

  it('is described without credentials', () => {
    expect(describeConnection(parseRedisUrl('redis://me:secret@cache:6380/2'))).toBe('cache:6380/2');
  });
});

describe('the options of redisQueue', () => {
  it('derives the name of the dead letters from that of the queue', () => {
    expect(resolveRedisQueueOptions({ name: 'text_tasks' }).deadLetterName).toBe('text_tasks_dlq');
  });

  it.each<[string, RedisQueueOptions]>([
    ['"beatMs" must be at most a third', { beatMs: 11_000 }],
    ['"claimTimeoutMs" must be at most a third', { claimTimeoutMs: 11_000 }],
    ['"heartbeatTtlMs" must be a whole number', { heartbeatTtlMs: 0 }],
    ['"maxKills" must be a whole number from 1 to 1000, but got 0 (number)', { maxKills: 0 }],
    ['"deadLetterName" must be', { name: 'x', deadLetterName: 'x' }],
    ['"connection.keyPrefix" must be absent', { connection: { keyPrefix: 'p:' } }],
    ['exclude each other', { url: 'redis://x', connection: {} }],
    ['there is no option "beat"', { beat: 1 } as RedisQueueOptions],
  ])('says that %s', (message, options) => {
    expect(failure(() => resolveRedisQueueOptions(options))).toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('queueError', () => {
  const refusal = (message: string): Error =>
    Object.assign(new Error(message), { name: 'ReplyError', command: { args: ['secret'] } });

  it('tells refusals of the server from failures of the connection', () => {
    expect(refusalCode(refusal("OOM command not allowed when used memory > 'maxmemory'."))).toBe('OOM');
    expect(refusalCode(new Error('OOM'))).toBeUndefined();
    expect(queueError(new Error('Connection is closed.'), 'host:1/0').message).toContain('is out of reach');
  });

  it('says what to do', () => {
    expect(queueError(refusal('WRONGTYPE Operation against a key'), 'host:1/0')).toMatchObject({
      code: 'QUEUE_WRONG_TYPE',
    });
    expect(queueError(refusal('NOPERM this user'), 'host:1/0').message).toContain('Grant its user');
    expect(
      queueError(refusal("ERR unknown command 'LMOVE', with args beginning with: 'secret'"), 'h').message,
    ).toContain('6.2');
  });

  it('passes no arguments of commands on', () => {
    const error = queueError(refusal("ERR unknown command 'LREM', with args beginning with: 'secret'"), 'host:1/0');
    const cause = error.cause as Error;
    expect(inspect([error, cause], { showHidden: true, depth: 9 })).not.toContain('secret');
  });
});

function failure(work: () => unknown): RunnerError {
  try {
    work();
  } catch (error) {
    return error as RunnerError;
  }
  throw new Error('expected a failure');
}
