import { describe, expect, it } from 'vitest';
import { isSafeHost } from '../../src/host-name.js';

describe('security 2: without a token a request may name the service', () => {
  it.each([
    undefined,
    '127.0.0.1',
    '127.0.0.1:8001',
    '[::1]:8001',
    'localhost',
    'localhost:8001',
    'clip',
    '192.168.0.7:80',
  ])('as %s', (host) => {
    expect(isSafeHost(host, '127.0.0.1')).toBe(true);
  });

  it.each([
    'evil.example',
    'evil.example:8001',
    '127.0.0.1.evil.example',
    'localhost.evil.example:8001',
    'x@127.0.0.1',
    'evil.example@localhost',
    '[evil.example]',
    '127.0.0.1:8001:evil.example',
    '999.0.0.1',
    '',
    ':8001',
  ])('not as %s', (host) => {
    expect(isSafeHost(host, '127.0.0.1')).toBe(false);
  });

  it('by the name that it listens on', () => {
    expect(isSafeHost('clip.internal:8001', 'clip.internal')).toBe(true);
  });
});
