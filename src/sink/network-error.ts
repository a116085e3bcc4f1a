import { coerceError, RunnerError, systemCode, type ErrorCode } from '../errors.js';

interface Meaning {
  readonly code: ErrorCode;
  readonly advice: string;
  readonly reason?: string;
}

const unreachable = (advice: string): Meaning => ({ code: 'HTTP_UNAVAILABLE', advice });
const timedOut = (advice: string): Meaning => ({ code: 'HTTP_TIMEOUT', advice });

const FAILED = unreachable('the connection failed; check the network of this machine');
const REFUSED = unreachable('check that it is running and that API_BASE_URL is right');
const CUT_OFF = unreachable(
  'the connection was cut off; it may be restarting, or a proxy before it closed the connection',
);
const UNKNOWN_NAME = unreachable('its name could not be resolved; check API_BASE_URL and the DNS of this machine');
const NO_ROUTE = unreachable('there is no route to it; check API_BASE_URL and the network of this machine');
const UNTRUSTED = unreachable(
  "its TLS certificate is not signed by an authority that this machine trusts; give the authority's certificate as the option `ca` or in NODE_EXTRA_CA_CERTS",
);
const TLS_FAULT = unreachable(
  'TLS could not be agreed on; it must speak TLS 1.2 or newer on this port, or API_BASE_URL must begin with http://',
);
const SLOW = timedOut('the network or the server is too slow, or packets are dropped on the way');
const NOT_HTTP: Meaning = {
  code: 'HTTP_SERVER_ERROR',
  reason: 'http_protocol',
  advice: 'its answer breaks the rules of HTTP/1.1; check the server and the proxies before it',
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: REFUSED,
  ECONNRESET: CUT_OFF,
  EPIPE: CUT_OFF,
  UND_ERR_SOCKET: CUT_OFF,
  ENOTFOUND: UNKNOWN_NAME,
  EAI_AGAIN: UNKNOWN_NAME,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  EADDRNOTAVAIL: NO_ROUTE,
  ETIMEDOUT: SLOW,
  UND_ERR_CONNECT_TIMEOUT: SLOW,
  UND_ERR_HEADERS_TIMEOUT: SLOW,
  UND_ERR_BODY_TIMEOUT: SLOW,
  UND_ERR_HEADERS_OVERFLOW: NOT_HTTP,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: NOT_HTTP,
  CERT_HAS_EXPIRED: unreachable('its TLS certificate has expired; renew it'),
  CERT_NOT_YET_VALID: unreachable('its TLS certificate is not valid yet; check the clocks of both machines'),
  ERR_TLS_CERT_ALTNAME_INVALID: unreachable(
    'its TLS certificate is for another host name; use a name in API_BASE_URL that the certificate holds',
  ),
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  EPROTO: TLS_FAULT,
};

/** The codes of a connection that the server closed before it answered, mostly an idle one at its keep-alive limit. */
const STALE = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** True where a fresh connection may well succeed at once. */
export function isStaleConnection(thrown: unknown): boolean {
  return STALE.has(systemCode(thrown) ?? '');
}

/** Gives a failure of the connection (before or within an answer) its code and an advice. */
export function classifyNetworkError(thrown: unknown, server: string): RunnerError {
  if (thrown instanceof RunnerError) return thrown;
  const code = systemCode(thrown);
  const meaning = meaningOf(thrown, code);
  if (meaning === undefined) return coerceError(thrown);
  return new RunnerError(meaning.code, `No answer from ${server} (${code ?? 'HTTP parser'}): ${meaning.advice}.`, {
    cause: plainCause(thrown, code),
    ...(meaning.reason !== undefined && { reason: meaning.reason }),
  });
}

/**
 * The answer broke off although its status was 2xx. An orderly end before the announced length is a server that miscounts,
 * which the job's own limit of attempts must end; a reset is an outage.
 */
export function classifyBrokenBody(thrown: unknown, server: string): RunnerError {
  if (systemCode(thrown) !== 'UND_ERR_SOCKET') return classifyNetworkError(thrown, server);
  return new RunnerError(
    'HTTP_SERVER_ERROR',
    `${server} answered 2xx, but its answer ended too early: ${NOT_HTTP.advice}.`,
    {
      cause: plainCause(thrown, 'UND_ERR_SOCKET'),
      reason: 'http_protocol',
    },
  );
}

function meaningOf(thrown: unknown, code: string | undefined): Meaning | undefined {
  if (thrown instanceof Error && thrown.name === 'HTTPParserError') return NOT_HTTP;
  if (code === undefined) return undefined;
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code];
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return TLS_FAULT;
  // Any other system error of a socket; what is left is a fault of this program.
  return /^E[A-Z0-9]+$/.test(code) || code === 'UND_ERR_INFO' ? FAILED : undefined;
}

/** The original without its further fields: parser errors hold received bytes, which may echo the request. */
function plainCause(thrown: unknown, code: string | undefined): Error {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return Object.assign(new Error(message || (code ?? 'unknown')), code === undefined ? {} : { code });
}
