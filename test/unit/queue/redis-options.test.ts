import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { type RunnerError } from '../../../src/errors.js';
import { parseRedisUrl } from '../../../src/queue/redis-connection.js';
import { queueError, refusalCode } from '../../../src/queue/redis-errors.js';
import { describeServers, resolveServers } from '../../../src/queue/redis-servers.js';
import { type RedisQueueOptions, resolveRedisQueueOptions } from '../../../src/queue/redis-options.js';

describe('parseRedisUrl', () => {
  it('reads host, port, database, user and password', () => {
    expect(parseRedisUrl('redis://me:p%40ss@[::1]:6380/3')).toEqual({
      hosts: [{ host: '::1', port: 6380 }],
      db: 3,
      username: 'me',
      password: 'p@ss',
    });
  });

  it('fills in what Redis takes for granted', () => {
    expect(parseRedisUrl('redis://cache')).toEqual({ hosts: [{ host: 'cache', port: undefined }], db: 0 });
    expect(resolveServers({ url: 'redis://cache' })).toEqual({
      kind: 'single',
      connection: { host: 'cache', port: 6379, db: 0 },
    });
  });

  it('reads several hosts, whose user and password are the same', () => {
    expect(parseRedisUrl('rediss://me:p%2Css@a:1,[::2]:3,c/0')).toEqual({
      hosts: [
        { host: 'a', port: 1 },
        { host: '::2', port: 3 },
        { host: 'c', port: undefined },
      ],
      db: 0,
      username: 'me',
      password: 'p,ss',
      tls: {},
    });
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
    'redis://u:hunter2@a:1,b:x',
    'redis://a:1,u:hunter2@b/x',
  ])('refuses %s without repeating the password', (url) => {
    const error = failure(() => parseRedisUrl(url));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toMatch(/"url"/);
    expect(`${error.message}${String(error.stack)}${String(error.cause)}`).not.toContain('hunter2');
  });

  it('is described without credentials', () => {
    expect(describeServers(resolveServers({ url: 'redis://me:secret@cache:6380/2' }))).toBe('cache:6380/2');
    expect(describeServers(resolveServers({ url: 'redis://me:secret@a,b:1', cluster: true }))).toBe(
      'the cluster of a:6379, b:1',
    );
    expect(describeServers(resolveServers({ url: 'redis://me:secret@a,b:1', sentinelName: 'main' }))).toBe(
      'the primary "main" of 2 sentinels',
    );
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
    ['"cluster" and Sentinels exclude each other', { cluster: true, sentinelName: 'main' }],
    ['"cluster" must be true or false', { cluster: 'yes' as never }],
    ['may name several hosts only with "cluster"', { url: 'redis://a,b' }],
    ['must name no database but 0', { url: 'redis://a/3', cluster: true }],
    ['"sentinelName" must be', { sentinelName: '' }],
    ['"sentinelName" goes with "url"', { sentinelName: 'main', connection: {} }],
    ['and the "name" of the primary', { connection: { sentinels: [{ host: 'a' }] } }],
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
