import { RunnerError } from '../errors.js';
import { parseContentHash, type ContentHash } from './content-hash.js';
import type { ResolvedHubOptions } from './hub-options.js';
import { retrying, type RetryPolicy } from './retry.js';
import { createStallGuard } from './stall-guard.js';
import { networkFailure, readBody, type HubTransport } from './transport.js';

/** A file of a repository as the hub lists it. */
export interface RemoteFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly hash: ContentHash;
}

/** One commit of a repository. */
export interface RemoteListing {
  readonly commit: string;
  readonly files: ReadonlyMap<string, RemoteFile>;
}

/** Answers of the hub's API are some hundred bytes a file, a thousand files a page. */
const MAX_ANSWER_BYTES = 16 * 1024 ** 2;
const MAX_FILES = 100_000;
const API_TRIES = 3;

/**
 * Lists the files of a commit of a repository: of the newest one on `main`, or of one that is named. The shapes of the hub's API and its paging are left to
 * @huggingface/hub; the requests are made by our transport, which keeps the token, the deadline and the size in hand.
 * @throws RunnerError `MODEL_DOWNLOAD`, `MODEL_NOT_FOUND`
 */
export async function listRepository(
  repository: string,
  transport: HubTransport,
  options: ResolvedHubOptions,
  signal: AbortSignal | undefined,
  revision = 'main',
): Promise<RemoteListing> {
  const hubUrl = transport.endpoint.href.replace(/\/$/, '');
  const policy = { delayMs: options.retryDelayMs, tries: API_TRIES, random: Math.random };
  const request = { hubUrl, fetch: createApiFetch(transport, policy, options.stallTimeoutMs, signal) };
  // Loaded when something is asked for: what is in the cache needs no hub.
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  try {
    const { sha } = await modelInfo({ ...request, name: repository, revision, additionalFields: ['sha'] });
    if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw unexpected(repository, 'names no commit');
    const files = new Map<string, RemoteFile>();
    let count = 0;
    for await (const entry of listFiles({
      ...request,
      repo: { type: 'model', name: repository },
      recursive: true,
      revision: sha,
    })) {
      if (++count > MAX_FILES) throw unexpected(repository, `lists more than ${MAX_FILES} files`);
      const file = entry.type === 'file' ? readEntry(entry) : undefined;
      if (file !== undefined) files.set(file.path, file);
    }
    return { commit: sha, files };
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    throw unexpected(repository, "can't be understood", error);
  }
}

/** Address of a file's content at a commit. */
export function contentUrl(transport: HubTransport, repository: string, commit: string, path: string): URL {
  const segments = [...repository.split('/'), 'resolve', commit, ...path.split('/')].map(encodeURIComponent);
  return new URL(`${transport.endpoint.href.replace(/\/$/, '')}/${segments.join('/')}`);
}

/** Entries without a hash can't be verified, and those with odd paths can't be stored: neither is ever asked for. */
function readEntry(entry: {
  path: string;
  size: number;
  oid?: string;
  lfs?: { oid: string; size: number };
}): RemoteFile | undefined {
  const hash = parseContentHash(entry.lfs?.oid ?? entry.oid ?? '');
  const sizeBytes = entry.lfs?.size ?? entry.size;
  const isSafe = entry.path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\\'));
  if (hash === undefined || !isSafe || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined;
  return { path: entry.path, sizeBytes, hash };
}

/** A `fetch` for API calls: whole answers, tried again as the policy says. */
function createApiFetch(
  transport: HubTransport,
  policy: RetryPolicy,
  stallTimeoutMs: number,
  signal: AbortSignal | undefined,
): typeof fetch {
  return (input) => {
    const url = atEndpoint(new URL(input instanceof Request ? input.url : input), transport.endpoint);
    return retrying(() => getWhole(url, transport, stallTimeoutMs, signal), policy, signal);
  };
}

async function getWhole(
  url: URL,
  transport: HubTransport,
  stallTimeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const guard = createStallGuard(stallTimeoutMs, signal);
  try {
    const response = await transport.get(url, { accept: 'application/json' }, guard.signal);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of readBody(response, guard)) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > MAX_ANSWER_BYTES)
        throw new RunnerError('MODEL_DOWNLOAD', `${url.host} sent a listing of more than ${MAX_ANSWER_BYTES} bytes.`);
      chunks.push(chunk);
    }
    const link = response.headers.get('link');
    return new Response(Buffer.concat(chunks), { headers: link === null ? {} : { link } });
  } catch (error) {
    throw error instanceof RunnerError ? error : networkFailure(error, url.host, guard.signal);
  } finally {
    guard.release();
  }
}

/** A mirror's links to further pages may name the hub that it mirrors; they are asked from the mirror itself. */
function atEndpoint(url: URL, endpoint: URL): URL {
  return url.origin === endpoint.origin ? url : new URL(`${url.pathname}${url.search}`, endpoint);
}

function unexpected(repository: string, what: string, cause?: unknown): RunnerError {
  return new RunnerError('MODEL_DOWNLOAD', `The hub's answer about ${repository} ${what}.`, { cause });
}
