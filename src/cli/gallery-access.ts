import { show } from '../check.js';
import { RunnerError } from '../errors.js';
import { resolveHttpOptions } from '../sink/http-options.js';
import type { Settings } from './variables.js';
import { whole } from './variable.js';

/** Who is asked, by whom, and for how long. */
export interface Gallery {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly accessToken: string;
  readonly signal: AbortSignal;
}

/** The gallery and the token of its user. @throws RunnerError `OPTIONS_INVALID`, without the token */
export function readAccess(settings: Settings<'apiBaseUrl' | 'accessToken'>): Omit<Gallery, 'signal'> {
  const { origin, prefix } = resolveHttpOptions({ baseUrl: settings.apiBaseUrl }).address;
  return { baseUrl: `${origin}${prefix}`, accessToken: readAccessToken(settings.accessToken) };
}

/** The number of a flag that is no setting. @throws RunnerError `OPTIONS_INVALID` */
export function readNumberFlag(
  flags: Readonly<Record<string, unknown>>,
  name: string,
  least: number,
  most: number,
): number {
  const value = String(flags[name]);
  try {
    return whole(least, most)(value);
  } catch (cause) {
    const expected = `a whole number from ${least} to ${most}`;
    throw new RunnerError('OPTIONS_INVALID', `--${name} must be ${expected}, but got ${show(value)}.`, { cause });
  }
}

export function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}

/** Never shown in an error. */
function readAccessToken(value: string): string {
  const token = value.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const came = token === '' ? 'it is not set' : 'it has other characters than a token has';
  throw invalid(`ACCESS_TOKEN must be the token of a user of the gallery, but ${came}.`);
}
