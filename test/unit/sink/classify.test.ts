import { describe, expect, it } from 'vitest';
import type { ErrorCode, RetryClass } from '../../../src/errors.js';
import { classifyStatus, parseRetryAfterMs } from '../../../src/sink/classify.js';

const NOW_MS = Date.UTC(2026, 0, 15, 12, 0, 0);
const inSeconds = (seconds: number): string => new Date(NOW_MS + seconds * 1_000).toUTCString();

describe('what a status means', () => {
  it.each([200, 201, 202, 204, 299])('HTTP %i is a success', (status) => {
    expect(classifyStatus(status, undefined, NOW_MS)).toBeUndefined();
  });

  it.each<[number, ErrorCode, RetryClass, string]>([
    [301, 'HTTP_REDIRECT', 'later', 'http_301'],
    [302, 'HTTP_REDIRECT', 'later', 'http_302'],
    [304, 'HTTP_REDIRECT', 'later', 'http_304'],
    [307, 'HTTP_REDIRECT', 'later', 'http_307'],
    [308, 'HTTP_REDIRECT', 'later', 'http_308'],
    [400, 'HTTP_REJECTED', 'never', 'http_400'],
    [401, 'HTTP_UNAUTHORIZED', 'wait', 'http_401'],
    [403, 'HTTP_UNAUTHORIZED', 'wait', 'http_403'],
    [404, 'HTTP_GONE', 'never', 'http_404'],
    [405, 'HTTP_REJECTED', 'never', 'http_405'],
    [408, 'HTTP_SERVER_ERROR', 'later', 'http_408'],
    [409, 'HTTP_REJECTED', 'never', 'http_409'],
    [410, 'HTTP_GONE', 'never', 'http_404'],
    [413, 'HTTP_REJECTED', 'never', 'http_413'],
    [418, 'HTTP_REJECTED', 'never', 'http_418'],
    [422, 'HTTP_REJECTED', 'never', 'http_422'],
    [425, 'HTTP_SERVER_ERROR', 'later', 'http_425'],
    [429, 'HTTP_RATE_LIMITED', 'wait', 'http_429'],
    [499, 'HTTP_REJECTED', 'never', 'http_499'],
    [500, 'HTTP_SERVER_ERROR', 'later', 'http_500'],
    [501, 'HTTP_SERVER_ERROR', 'later', 'http_501'],
    [502, 'HTTP_UNAVAILABLE', 'wait', 'http_502'],
    [503, 'HTTP_UNAVAILABLE', 'wait', 'http_503'],
    [504, 'HTTP_UNAVAILABLE', 'wait', 'http_504'],
    [505, 'HTTP_SERVER_ERROR', 'later', 'http_505'],
    [599, 'HTTP_SERVER_ERROR', 'later', 'http_599'],
    [600, 'HTTP_SERVER_ERROR', 'later', 'http_600'],
  ])('HTTP %i is %s of class %s with the reason %s', (status, code, retry, reason) => {
    const error = classifyStatus(status, undefined, NOW_MS);
    expect(error).toMatchObject({ code, retry, reason });
    expect(error?.message).toContain(`HTTP ${status}`);
  });

  it.each([
    [400, /PROCESSING_EMBEDDING_DIM/],
    [401, /PROCESSING_INTERNAL_TOKEN/],
    [403, /PROCESSING_INTERNAL_TOKEN/],
    [302, /API_BASE_URL/],
  ])('HTTP %i names what to set', (status, hint) => {
    expect(classifyStatus(status, undefined, NOW_MS, 'http://gallery')?.message).toMatch(hint);
  });
});

describe('Retry-After', () => {
  it.each<[string, string | undefined, number]>([
    ['seconds', '7', 7_000],
    ['blanks around it', ' 7 ', 7_000],
    ['parts of a second', '2.5', 2_500],
    ['zero', '0', 1_000],
    ['a billion seconds', '1000000000', 3_600_000],
    ['more digits than a number holds', '9'.repeat(400), 3_600_000],
    ['a date ahead', inSeconds(90), 90_000],
    ['a date in the past', inSeconds(-90), 1_000],
    ['a date years ahead', inSeconds(1e8), 3_600_000],
    ['a date that does not exist', 'Sun, 99 Nov 2026 08:49:37 GMT', 5_000],
    ['nothing', undefined, 5_000],
    ['an empty text', '', 5_000],
    ['garbage', 'soon', 5_000],
    ['garbage that Date.parse takes', 'try again 1', 5_000],
    ['a negative number', '-3', 5_000],
    ['an exponent', '1e9', 5_000],
  ])('of 429 with %s waits within a second and an hour', (_name, header, expectedMs) => {
    expect(classifyStatus(429, header, NOW_MS)?.retryAfterMs).toBe(expectedMs);
  });

  it('counts for 502, 503 and 504 only where it is given', () => {
    expect(classifyStatus(503, '20', NOW_MS)?.retryAfterMs).toBe(20_000);
    expect(classifyStatus(503, undefined, NOW_MS)?.retryAfterMs).toBeUndefined();
    expect(classifyStatus(503, 'garbage', NOW_MS)?.retryAfterMs).toBeUndefined();
  });

  it('means nothing beside other statuses', () => {
    expect(classifyStatus(400, '20', NOW_MS)?.retryAfterMs).toBeUndefined();
    expect(classifyStatus(500, '20', NOW_MS)?.retryAfterMs).toBeUndefined();
  });

  it('is undefined where it cannot be understood', () => {
    expect(parseRetryAfterMs('soon', NOW_MS)).toBeUndefined();
  });
});
