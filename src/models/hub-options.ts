import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { RunnerError } from '../errors.js';
import { check, flag, positiveInteger, resolveOptions } from '../check.js';

/** How models are found on a hub, and where they are kept. Nothing here is read from the environment. */
export interface HubOptions {
  /** Folder of the Hugging Face cache, shared with Python. @default '~/.cache/huggingface/hub' */
  readonly cacheDir?: string | undefined;
  /** The hub or a mirror of it; http or https. @default 'https://huggingface.co' */
  readonly endpoint?: string | undefined;
  /** Never touch the network; use what the cache holds. @default false */
  readonly offline?: boolean | undefined;
  /** Access token for gated and private models; sent to the endpoint's own origin only. @default '' (none) */
  readonly token?: string | undefined;
  /** Largest file that is downloaded, in bytes. @default 17179869184 (16 GiB) */
  readonly maxFileBytes?: number | undefined;
  /** A request without progress for this long is given up and tried again. @default 60000 */
  readonly stallTimeoutMs?: number | undefined;
  /** The first pause before trying again; later ones double, up to a minute. @default 500 */
  readonly retryDelayMs?: number | undefined;
}

export type ResolvedHubOptions = { readonly [Name in keyof Required<HubOptions>]: NonNullable<HubOptions[Name]> };

/** An endpoint without credentials, query or fragment: those would end up in messages and in other requests. */
const hubAddress = check('an http(s) address without user, query or fragment', (value): value is string => {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return (protocol === 'https:' || protocol === 'http:') && `${username}${password}${search}${hash}` === '';
});

const text = check('a text', (value): value is string => typeof value === 'string');

const folderPath = check(
  'a path without control characters',
  (value): value is string => typeof value === 'string' && value !== '' && !hasControlCharacter(value),
);

/**
 * Fills in the defaults and checks every option.
 * @throws RunnerError `OPTIONS_INVALID`; the message never holds the token.
 */
export function resolveHubOptions(options: HubOptions): ResolvedHubOptions {
  const defaults: ResolvedHubOptions = {
    cacheDir: join(homedir(), '.cache', 'huggingface', 'hub'),
    endpoint: 'https://huggingface.co',
    offline: false,
    token: '',
    maxFileBytes: 16 * 1024 ** 3,
    stallTimeoutMs: 60_000,
    retryDelayMs: 500,
  };
  const token = options.token?.trim() ?? '';
  if (!/^[\x21-\x7e]*$/.test(token)) {
    // The value is not shown, whatever is wrong with it.
    throw new RunnerError(
      'OPTIONS_INVALID',
      'hub: the option "token" (HF_TOKEN) must be printable ASCII without blanks.',
    );
  }
  return resolveOptions<ResolvedHubOptions>('hub', { ...options, token }, defaults, {
    cacheDir: folderPath,
    endpoint: hubAddress,
    offline: flag,
    token: text,
    maxFileBytes: positiveInteger,
    stallTimeoutMs: positiveInteger,
    retryDelayMs: positiveInteger,
  });
}

function hasControlCharacter(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text);
}

/**
 * The hub's options as Python's huggingface_hub reads them from the environment: `HF_HUB_CACHE`, `HF_HOME`,
 * `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_TOKEN`, each with its older name. Empty variables count as unset.
 */
export function hubOptionsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  homeDir: string = homedir(),
): HubOptions {
  const first = (...names: readonly string[]): string | undefined =>
    names.map((name) => env[name]?.trim()).find((value) => value !== undefined && value !== '');
  const path = (value: string): string => resolve(value.replace(/^~(?=$|[/\\])/, () => homeDir));

  const xdgCache = first('XDG_CACHE_HOME') ?? join(homeDir, '.cache');
  const home = first('HF_HOME') ?? join(xdgCache, 'huggingface');
  const endpoint = first('HF_ENDPOINT');
  const token = first('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN');
  return {
    cacheDir: path(first('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')),
    offline: isTrue(first('HF_HUB_OFFLINE')) || isTrue(first('TRANSFORMERS_OFFLINE')),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(token === undefined ? {} : { token }),
  };
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'on', 'yes', 'true'].includes(value.toLowerCase());
}
