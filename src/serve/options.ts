import {
  check,
  durationMs,
  positiveInteger,
  resolveOptions,
  someText,
  wholeNumberBetween,
  type Check,
} from '../check.js';
import { RunnerError } from '../errors.js';

/** What the embed service can be told. */
export interface EmbedServerOptions {
  /** Address to listen on; `0.0.0.0` for every network. @default '127.0.0.1' */
  readonly host: string;
  /** 0 takes a free one. @default 8001 */
  readonly port: number;
  /** Asked of clients as `Authorization: Bearer …`; empty asks for none. @default '' */
  readonly token: string;
  /** Inputs that may wait, per kind, and requests that may be under way; more are answered 503. @default 1024 */
  readonly maxWaiting: number;
  /** Texts in one request. @default 256 */
  readonly maxTexts: number;
  /** Longest JSON body, decompressed, in bytes. @default 524288 (512 KiB) */
  readonly maxBodyBytes: number;
  /** Largest picture, in bytes. @default 33554432 (32 MiB) */
  readonly maxImageBytes: number;
  /** Time in which a request must have arrived as a whole. @default 30000 */
  readonly requestTimeoutMs: number;
  /** Time without any result, while work is under way, after which the service calls itself ill. @default 60000 */
  readonly stuckAfterMs: number;
}

const DEFAULTS: EmbedServerOptions = {
  host: '127.0.0.1',
  port: 8001,
  token: '',
  maxWaiting: 1024,
  maxTexts: 256,
  maxBodyBytes: 512 * 1024,
  maxImageBytes: 32 * 1024 * 1024,
  requestTimeoutMs: 30_000,
  stuckAfterMs: 60_000,
};

/** Anything else could not be sent in a header. */
const headerText: Check<string> = check(
  'printable ASCII without blanks',
  (value): value is string => typeof value === 'string' && /^[\x21-\x7e]*$/.test(value),
);

const CHECKS: { readonly [Name in keyof EmbedServerOptions]: Check<EmbedServerOptions[Name]> } = {
  host: someText,
  port: wholeNumberBetween(0, 65_535),
  token: headerText,
  maxWaiting: positiveInteger,
  maxTexts: positiveInteger,
  maxBodyBytes: positiveInteger,
  maxImageBytes: positiveInteger,
  requestTimeoutMs: durationMs,
  stuckAfterMs: durationMs,
};

/** @throws RunnerError `OPTIONS_INVALID`; a token is never shown. */
export function resolveEmbedServerOptions(options: Partial<EmbedServerOptions>): EmbedServerOptions {
  const { token = '', ...others } = options;
  if (!headerText.accepts(token)) {
    // The value itself would stand in the message of the common check.
    throw new RunnerError('OPTIONS_INVALID', `The token of the embed service must be ${headerText.expected}.`);
  }
  return { ...resolveOptions('createEmbedServer', others, DEFAULTS, CHECKS), token };
}
