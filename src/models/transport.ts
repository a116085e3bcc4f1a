import { RunnerError, systemCode } from '../errors.js';
import { failureOfStatus, TransientHubError } from './hub-failure.js';
import type { StallGuard } from './stall-guard.js';

/** Requests to one hub. */
export interface HubTransport {
  readonly endpoint: URL;
  /**
   * One GET, redirects followed. The answer is a good one (2xx), or 416: the range asked for does not exist. Its body is
   * still to be read or cancelled.
   * @throws RunnerError `MODEL_DOWNLOAD` or `MODEL_NOT_FOUND`; a `TransientHubError` where trying again may help
   */
  get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response>;
}

export interface TransportOptions {
  readonly endpoint: string;
  readonly token: string;
  /** For messages: `Xenova/clip-vit-base-patch32`. */
  readonly repository: string;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Makes requests to a hub. The token goes to the endpoint's own origin and nowhere else: large files are redirected to
 * a content network with an address that is signed already.
 */
export function createTransport({ endpoint, token, repository }: TransportOptions): HubTransport {
  const home = new URL(endpoint.replace(/\/+$/, ''));

  function headersFor(url: URL, headers: Readonly<Record<string, string>>): Record<string, string> {
    const all = { ...headers, 'user-agent': 'clip-runner' };
    return token !== '' && url.origin === home.origin ? { ...all, authorization: `Bearer ${token}` } : all;
  }

  return {
    endpoint: home,
    async get(url, headers, signal) {
      let target = url;
      for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
        const response = await send(target, headersFor(target, headers), signal);
        if (response.ok || response.status === 416) return response;
        await response.body?.cancel();
        if (!REDIRECTS.has(response.status)) {
          throw failureOfStatus(response, {
            repository,
            home,
            isHome: target.origin === home.origin,
            hasToken: token !== '',
          });
        }
        target = nextHop(target, response.headers.get('location'));
      }
      throw new RunnerError(
        'MODEL_DOWNLOAD',
        `${url.origin} redirected more than ${MAX_REDIRECTS} times for ${repository}.`,
      );
    },
  };
}

/** The bytes of an answer as they come; each tells the guard that there is progress. */
export async function* readBody({ body }: Response, guard: StallGuard): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    guard.progress();
    yield chunk;
  }
}

async function send(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { headers, signal, redirect: 'manual' });
  } catch (error) {
    throw networkFailure(error, url.host, signal);
  }
}

/** What a failed request or a broken body means; an abort keeps its own reason. */
export function networkFailure(error: unknown, host: string, signal: AbortSignal): RunnerError {
  if (signal.aborted && signal.reason instanceof RunnerError) return signal.reason;
  const cause = error instanceof Error ? error.cause : undefined;
  const words = cause instanceof Error && cause.message !== '' ? cause.message : 'the connection was lost';
  const detail = systemCode(cause) ?? systemCode(error) ?? words;
  return new TransientHubError(`The hub at ${host} can't be reached (${detail}).`, { cause: error });
}

function nextHop(from: URL, location: string | null): URL {
  if (location === null || !URL.canParse(location, from.href)) {
    throw new RunnerError('MODEL_DOWNLOAD', `${from.host} answered with a redirect that leads nowhere.`);
  }
  const next = new URL(location, from);
  const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:');
  if (!isSafe || next.username !== '' || next.password !== '') {
    throw new RunnerError(
      'MODEL_DOWNLOAD',
      `${from.host} redirected to ${next.protocol}//${next.host}, which is not followed: not https.`,
    );
  }
  return next;
}
