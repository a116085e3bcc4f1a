import { rootCertificates } from 'node:tls';
import { check, positiveInteger, resolveOptions, type Check } from '../check.js';
import { RunnerError } from '../errors.js';

/** Which server takes the callbacks, and how it is treated. */
export interface HttpSinkOptions {
  /** Where the gallery is: http or https, a path prefix where it has one. @default 'http://127.0.0.1:5800' */
  readonly baseUrl?: string;
  /** Sent as `x-internal-token`; blanks around it are dropped. @default '' */
  readonly token?: string;
  /** For the whole of a delivery: connecting, sending, and the complete answer. @default 30000 */
  readonly timeoutMs?: number;
  /** Deliveries under way at a time, and so connections at most; further ones wait their turn. @default 8 */
  readonly concurrency?: number;
  /** An answer is read to here and then cut off; only its status counts. @default 65536 */
  readonly maxResponseBytes?: number;
  /** PEM certificates of authorities to trust besides Node.js's own. @default '' */
  readonly ca?: string;
}

/** Options with defaults filled in; the token is kept apart so that it can't be shown along with the rest. */
export interface ResolvedHttpOptions {
  readonly address: Address;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly maxResponseBytes: number;
  /** Undefined: Node.js's own list, NODE_EXTRA_CA_CERTS included. */
  readonly ca: readonly string[] | undefined;
}

/** The only place that deliveries are sent to. */
export interface Address {
  /** `https://gallery.example:8443` */
  readonly origin: string;
  /** `/gallery`, or empty; never ends in a slash. */
  readonly prefix: string;
}

const DEFAULTS = { timeoutMs: 30_000, concurrency: 8, maxResponseBytes: 65_536, ca: '' };

const CHECKS = {
  timeoutMs: positiveInteger,
  concurrency: positiveInteger,
  maxResponseBytes: positiveInteger,
  ca: check('PEM certificates', (value): value is string => value === '' || isPem(value)),
} satisfies { [Name in keyof typeof DEFAULTS]: Check<(typeof DEFAULTS)[Name]> };

const DELIVERY_PATH = /^\/[A-Za-z0-9_\-./]*$/;

/** @throws RunnerError `OPTIONS_INVALID`; neither the token nor a URL with credentials is ever shown. */
export function resolveHttpOptions(options: Omit<HttpSinkOptions, 'token'>): ResolvedHttpOptions {
  const { baseUrl = 'http://127.0.0.1:5800', ...limits } = options;
  const { ca, ...resolved } = resolveOptions('httpSink', limits, DEFAULTS, CHECKS);
  return { ...resolved, address: parseBaseUrl(baseUrl), ca: ca === '' ? undefined : [...rootCertificates, ca] };
}

/** @throws RunnerError `OPTIONS_INVALID` without the token in it. */
export function resolveToken(token: unknown = ''): string {
  if (typeof token !== 'string')
    throw invalid(`httpSink: the option "token" must be a text, but got a ${typeof token}.`);
  const trimmed = token.trim();
  if (!/^[\x20-\x7e]*$/.test(trimmed)) {
    throw invalid(
      'httpSink: the option "token" must be of printable ASCII characters on one line, as a header is; it is not shown here.',
    );
  }
  return trimmed;
}

/**
 * The path to ask for below the address.
 * @throws RunnerError `HTTP_REJECTED` where a delivery's path could leave the prefix.
 */
export function resolvePath({ origin, prefix }: Address, deliveryPath: string): string {
  const path = `${prefix}${deliveryPath}`;
  if (DELIVERY_PATH.test(deliveryPath) && !deliveryPath.includes('..')) {
    const url = new URL(`${origin}${path}`);
    // Equal, so nothing was normalised away: the same origin, and below the prefix.
    if (url.origin === origin && url.pathname === path) return path;
  }
  throw new RunnerError(
    'HTTP_REJECTED',
    "A delivery's path must begin with a slash and hold only letters, digits and _-./ without empty or dotted segments; nothing was sent.",
    { reason: 'http_path' },
  );
}

function parseBaseUrl(baseUrl: unknown): Address {
  const url = typeof baseUrl === 'string' && URL.canParse(baseUrl.trim()) ? new URL(baseUrl.trim()) : undefined;
  // The text itself is never shown: it may hold a password.
  const expected = 'httpSink: the option "baseUrl" (API_BASE_URL) must be a URL like http://127.0.0.1:5800';
  if (url === undefined) throw invalid(`${expected}, but it can't be read as one.`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid(`${expected}, but its scheme is ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw invalid(`${expected}, without a user name or password.`);
  if (url.search !== '' || url.hash !== '') throw invalid(`${expected}, without a query or fragment.`);
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') };
}

function isPem(value: unknown): value is string {
  return typeof value === 'string' && value.includes('-----BEGIN CERTIFICATE-----');
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
