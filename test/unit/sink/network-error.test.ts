import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { RunnerError, type ErrorCode } from '../../../src/errors.js';
import { classifyBrokenBody, classifyNetworkError, isStaleConnection } from '../../../src/sink/network-error.js';

const SERVER = 'http://gallery.test';
const withCode = (code: string): Error => Object.assign(new Error(`it failed with ${code}`), { code });

describe('what a failure of the connection means', () => {
  it.each<[string, ErrorCode, RegExp]>([
    ['ECONNREFUSED', 'HTTP_UNAVAILABLE', /running/],
    ['ECONNRESET', 'HTTP_UNAVAILABLE', /cut off/],
    ['EPIPE', 'HTTP_UNAVAILABLE', /cut off/],
    ['UND_ERR_SOCKET', 'HTTP_UNAVAILABLE', /cut off/],
    ['ENOTFOUND', 'HTTP_UNAVAILABLE', /DNS/],
    ['EAI_AGAIN', 'HTTP_UNAVAILABLE', /DNS/],
    ['EHOSTUNREACH', 'HTTP_UNAVAILABLE', /route/],
    ['ENETUNREACH', 'HTTP_UNAVAILABLE', /route/],
    ['EMFILE', 'HTTP_UNAVAILABLE', /network/],
    ['CERT_HAS_EXPIRED', 'HTTP_UNAVAILABLE', /expired/],
    ['CERT_NOT_YET_VALID', 'HTTP_UNAVAILABLE', /clocks/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'HTTP_UNAVAILABLE', /host name/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'HTTP_UNAVAILABLE', /NODE_EXTRA_CA_CERTS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'HTTP_UNAVAILABLE', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'HTTP_UNAVAILABLE', /NODE_EXTRA_CA_CERTS/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'HTTP_UNAVAILABLE', /TLS 1\.2/],
    ['EPROTO', 'HTTP_UNAVAILABLE', /TLS 1\.2/],
    ['ETIMEDOUT', 'HTTP_TIMEOUT', /slow/],
    ['UND_ERR_CONNECT_TIMEOUT', 'HTTP_TIMEOUT', /slow/],
    ['UND_ERR_HEADERS_TIMEOUT', 'HTTP_TIMEOUT', /slow/],
    ['UND_ERR_BODY_TIMEOUT', 'HTTP_TIMEOUT', /slow/],
    ['UND_ERR_HEADERS_OVERFLOW', 'HTTP_SERVER_ERROR', /HTTP\/1\.1/],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'HTTP_SERVER_ERROR', /HTTP\/1\.1/],
    ['ERR_INVALID_ARG_TYPE', 'INTERNAL', /it failed/],
    ['UND_ERR_INVALID_ARG', 'INTERNAL', /it failed/],
  ])('%s is %s and says what to look at', (code, expected, advice) => {
    const error = classifyNetworkError(withCode(code), SERVER);
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(advice);
    expect(error.cause).toMatchObject({ code });
  });

  it('keeps what a parser error received out of the error', () => {
    const received = 'HTTP/1.1 200 OK\r\nx-echo: s3cret-token';
    // As undici makes it; its types leave out that it keeps the bytes.
    const parserError = Object.assign(new Error('Invalid header token'), { name: 'HTTPParserError', data: received });
    const error = classifyNetworkError(parserError, SERVER);
    expect(error).toMatchObject({ code: 'HTTP_SERVER_ERROR', reason: 'http_protocol' });
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain('s3cret-token');
  });

  it('gives a RunnerError back as it is', () => {
    const stopped = new RunnerError('RUNNER_STOPPED', 'stopped');
    expect(classifyNetworkError(stopped, SERVER)).toBe(stopped);
  });

  it('takes an answer that ends too early for the server’s fault, and a reset within it for an outage', () => {
    expect(classifyBrokenBody(withCode('UND_ERR_SOCKET'), SERVER)).toMatchObject({
      code: 'HTTP_SERVER_ERROR',
      reason: 'http_protocol',
    });
    expect(classifyBrokenBody(withCode('ECONNRESET'), SERVER).code).toBe('HTTP_UNAVAILABLE');
  });

  it.each([
    ['ECONNRESET', true],
    ['EPIPE', true],
    ['UND_ERR_SOCKET', true],
    ['ECONNREFUSED', false],
    ['UND_ERR_HEADERS_TIMEOUT', false],
  ])('a fresh connection after %s may help: %s', (code, expected) => {
    expect(isStaleConnection(withCode(code))).toBe(expected);
  });
});
