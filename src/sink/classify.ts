import { RunnerError, type ErrorCode } from '../errors.js';

const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 3_600_000;
const DEFAULT_RETRY_AFTER_MS = 5_000;

/** The one date form that servers may still send: `Sun, 06 Nov 1994 08:49:37 GMT`. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const SECONDS = /^\d+(\.\d+)?$/;

const HINTS: Readonly<Record<number, string>> = {
  400: "it could not use the body; check that the server's embedding lengths (PROCESSING_EMBEDDING_DIM, PROCESSING_FACE_EMBEDDING_DIM) are those of the models",
  401: 'it refused the token; set PROCESSING_INTERNAL_TOKEN to the value that the server has',
  403: 'it refused the token; set PROCESSING_INTERNAL_TOKEN to the value that the server has',
  404: 'the photo or query no longer exists, or API_BASE_URL names another server',
  410: 'the photo or query no longer exists',
  413: "the body was too large for it; raise the server's body limit",
  429: 'it asks for fewer requests',
};

const REDIRECT_HINT =
  'redirects are not followed, since the token would go along; set API_BASE_URL to the address where the server really is';

/**
 * What a complete answer means for its delivery: undefined where the server took it, else the error.
 * `Retry-After` is kept within a second and an hour; `nowMs` is the time of day that its date form is compared with.
 */
export function classifyStatus(
  status: number,
  retryAfter: string | undefined,
  nowMs: number,
  server = 'The server',
): RunnerError | undefined {
  if (status >= 200 && status < 300) return undefined;
  const hint = status >= 300 && status < 400 ? REDIRECT_HINT : HINTS[status];
  const message = `${server} answered HTTP ${status}, expected 2xx${hint === undefined ? '.' : `: ${hint}.`}`;
  const { code, reason } = meaningOf(status);
  const retryAfterMs = retryDelayOf(code, retryAfter, nowMs);
  return new RunnerError(code, message, {
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** The delay that a `Retry-After` asks for, within a second and an hour; undefined where it can't be understood. */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (SECONDS.test(text)) return clampDelay(Number(text) * 1_000);
  // Date.parse alone would take almost any text that ends in a digit for a date.
  if (HTTP_DATE.test(text)) {
    const delayMs = Date.parse(text) - nowMs;
    return Number.isNaN(delayMs) ? undefined : clampDelay(delayMs);
  }
  return undefined;
}

/** A header that may have come several times. */
export function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function meaningOf(status: number): { readonly code: ErrorCode; readonly reason?: string } {
  switch (status) {
    case 401:
    case 403:
      return { code: 'HTTP_UNAUTHORIZED', reason: `http_${status}` };
    case 404:
    case 410:
      return { code: 'HTTP_GONE' };
    case 408:
    case 425:
      return { code: 'HTTP_SERVER_ERROR', reason: `http_${status}` };
    case 429:
      return { code: 'HTTP_RATE_LIMITED' };
    case 502:
    case 503:
    case 504:
      return { code: 'HTTP_UNAVAILABLE', reason: `http_${status}` };
    default:
      return { code: codeOfFamily(status), reason: `http_${status}` };
  }
}

function codeOfFamily(status: number): ErrorCode {
  if (status >= 300 && status < 400) return 'HTTP_REDIRECT';
  return status >= 400 && status < 500 ? 'HTTP_REJECTED' : 'HTTP_SERVER_ERROR';
}

function retryDelayOf(code: ErrorCode, retryAfter: string | undefined, nowMs: number): number | undefined {
  if (code === 'HTTP_RATE_LIMITED') return parseRetryAfterMs(retryAfter, nowMs) ?? DEFAULT_RETRY_AFTER_MS;
  return code === 'HTTP_UNAVAILABLE' ? parseRetryAfterMs(retryAfter, nowMs) : undefined;
}

function clampDelay(delayMs: number): number {
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, delayMs));
}
