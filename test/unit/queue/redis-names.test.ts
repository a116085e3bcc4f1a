import { describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import { redisKeys, scanPattern } from '../../../src/queue/redis-keys.js';
import { ulid } from '../../../src/queue/ulid.js';

describe('redisKeys', () => {
  it.each(['photo_tasks', '{x}y', 'a{b', 'pre{tag}post', '{a{b}c'])('puts everything of %s into one slot', (name) => {
    const keys = redisKeys(name, 'dlq');
    const named = [keys.suspects, keys.retry, keys.tries, keys.processing('c'), keys.heartbeat('c'), keys.consumers];
    expect(new Set([name, ...named].map(slotOf))).toEqual(new Set([slotOf(name)]));
  });

  it('hashes as Redis does', () => {
    // The answers of CLUSTER KEYSLOT.
    expect(slotOf('photo_tasks')).toBe(2592);
    expect(slotOf('runner:{photo_tasks}:p:abc')).toBe(2592);
    expect(slotOf('a}b')).toBe(7866);
    expect(slotOf('runner:{a}b}:p')).toBe(15_495);
  });

  it('sends dead letters by way of the outbox where a cluster may keep them elsewhere', () => {
    expect(redisKeys('photos', 'photos_dlq').outbox).toBeUndefined();
    expect(redisKeys('photos', 'photos_dlq', true).outbox).toBe('runner:{photos}:dlqout');
    expect(redisKeys('photos', '{photos}:dlq', true).outbox).toBeUndefined();
    expect(redisKeys('{x}photos', 'dead{x}', true).outbox).toBeUndefined();
    expect(redisKeys('{x}photos', 'x', true).outbox).toBeUndefined();
    expect(redisKeys('photos', 'a}b', true).outbox).toBe('runner:{photos}:dlqout');
  });

  it.each(['a}b', '{}x', 'a}{b'])('refuses %s, whose keys would part', (name) => {
    expect(() => redisKeys(name, 'dlq')).toThrow(RunnerError);
    expect(() => redisKeys(name, 'dlq')).toThrow(/"name" must be/);
  });
});

describe('scanPattern', () => {
  it('takes every character but the star at the end for itself', () => {
    expect(scanPattern('a*[b]?\\^-')).toBe('a\\*\\[b\\]\\?\\\\\\^\\-*');
  });
});

describe('ulid', () => {
  it('sorts by time and holds the random part', () => {
    const entropy = new Uint8Array(10);
    expect(ulid(0, entropy)).toBe('0'.repeat(26));
    expect(ulid(2 ** 48 - 1, entropy.fill(255))).toBe(`7${'Z'.repeat(25)}`);
    expect(ulid(1000, entropy) < ulid(1001, new Uint8Array(10))).toBe(true);
  });
});

/** The slot of a key in a cluster: CRC-16/XMODEM of its hash tag, modulo 16384. */
function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % 16_384;
}
