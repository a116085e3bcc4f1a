import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { httpSink } from '../../../src/sink/http.js';
import { resolveHttpOptions, resolvePath, resolveToken } from '../../../src/sink/http-options.js';

function refusalOf(act: () => unknown): RunnerError {
  try {
    act();
  } catch (error) {
    if (error instanceof RunnerError) return error;
  }
  throw new Error('It was not refused.');
}

describe('baseUrl', () => {
  it.each([
    ['http://127.0.0.1:5800', 'http://127.0.0.1:5800', ''],
    ['https://gallery.test/', 'https://gallery.test', ''],
    [' https://gallery.test:443/photos// ', 'https://gallery.test', '/photos'],
    ['http://[::1]:5800/a/b', 'http://[::1]:5800', '/a/b'],
  ])('%j is taken as %s with the prefix %j', (baseUrl, origin, prefix) => {
    expect(resolveHttpOptions({ baseUrl }).address).toEqual({ origin, prefix });
  });

  it('is the gallery’s own default', () => {
    expect(resolveHttpOptions({}).address.origin).toBe('http://127.0.0.1:5800');
  });

  it.each([
    'gallery.test',
    '',
    'ftp://gallery.test',
    'file:///etc/passwd',
    'http://user:hunter2@gallery.test',
    'http://hunter2@gallery.test',
    'http://gallery.test/?token=hunter2',
    'http://gallery.test/#hunter2',
  ])('%j is refused without being shown', (baseUrl) => {
    const error = refusalOf(() => httpSink({ baseUrl }));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toContain('API_BASE_URL');
    expect(inspect(error)).not.toContain('hunter2');
  });
});

describe('token', () => {
  it('is trimmed, and may be empty', () => {
    expect(resolveToken(' abc\n')).toBe('abc');
    expect(resolveToken(undefined)).toBe('');
    expect(httpSink({ token: '  ' }).hasToken).toBe(false);
    expect(httpSink({ token: ' abc ' }).hasToken).toBe(true);
  });

  it.each(['hunter2\r\nx-admin: 1', 'hunter2\u0000', 'hunter2\u007f', 'hunter2é', 'hunter2\u2028x'])(
    'of characters that no header may hold is refused without being shown (%#)',
    (token) => {
      const error = refusalOf(() => httpSink({ token }));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(inspect(error)).not.toContain('hunter2');
    },
  );

  it('is not in anything that a sink shows', () => {
    const sink = httpSink({ token: 'hunter2' });
    const shown = [
      inspect(sink, { depth: Infinity, showHidden: true, showProxy: true, getters: true, customInspect: false }),
      inspect({ sink }),
      JSON.stringify(sink),
      sink.name,
    ];
    expect(shown.join('\n')).not.toContain('hunter2');
    expect(inspect(sink)).toBe("HttpSink { name: 'http://127.0.0.1:5800', hasToken: true }");
  });
});

describe('other options', () => {
  it.each([
    { timeoutMs: 0 },
    { timeoutMs: 1.5 },
    { concurrency: 0 },
    { concurrency: Infinity },
    { maxResponseBytes: -1 },
    { ca: 'not a certificate' },
    { tokn: 'hunter2' },
  ])('%j are refused', (options) => {
    const error = refusalOf(() => httpSink(options));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).not.toContain('hunter2');
  });
});

describe('the path of a delivery', () => {
  const address = { origin: 'http://gallery.test', prefix: '/photos' };

  it('is put below the prefix', () => {
    expect(resolvePath(address, '/api/internal/photos/1/ml_result')).toBe('/photos/api/internal/photos/1/ml_result');
  });

  it.each([
    'api/x',
    '',
    '/../admin',
    '/a/..',
    '/a..b',
    '/a/../../etc',
    '/./a',
    '/a?b=c',
    '/a#b',
    '/%2e%2e/admin',
    '/a\\b',
    '@evil.test/',
    '/a b',
    '/é',
    '/a\r\nx: y',
  ])('%j is refused for good, and nothing is sent', (path) => {
    expect(refusalOf(() => resolvePath(address, path))).toMatchObject({
      code: 'HTTP_REJECTED',
      reason: 'http_path',
      retry: 'never',
    });
  });

  it('stays on its server even where it looks like another one', () => {
    expect(resolvePath({ origin: 'http://gallery.test', prefix: '' }, '//evil.test/x')).toBe('//evil.test/x');
    expect(new URL('http://gallery.test' + '//evil.test/x').origin).toBe('http://gallery.test');
  });
});
