import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerError, type ErrorCode } from '../errors.js';
import { show } from '../check.js';
import { escapeControls } from './escape-controls.js';
import type { Gallery } from './gallery-access.js';
import { requestJson, unexpectedAnswer, type JsonCall } from './json-request.js';
import { readHits, unwrap, type Hit } from './search-hits.js';

/** Between two requests that may each queue a text. */
const MOST_WAIT_MS = 10_000;

/** @throws RunnerError `HTTP_*` */
export async function searchByVector(
  gallery: Gallery,
  query: { readonly embedding: readonly number[]; readonly model: string; readonly limit: number },
): Promise<readonly Hit[]> {
  const answer = await call(gallery, '/api/search/vector', { ...query, modality: 'text' });
  return readHits(answer, gallery.baseUrl);
}

/**
 * Lets the server embed the text. While its answer is pending, it is asked for again every `intervalMs`: by its id, or,
 * where the server has no such call, by the same request. Such a request may queue the text once more, so the time
 * between two is doubled each time.
 * @throws RunnerError `HTTP_*`; `HTTP_REJECTED` with the server's own words where the search failed there
 */
export async function searchByText(
  gallery: Gallery,
  query: { readonly query: string; readonly model?: string; readonly limit: number },
  intervalMs: number,
): Promise<readonly Hit[]> {
  const ask = (): Promise<unknown> => call(gallery, '/api/search/text', query);
  let answer = readTextAnswer(await ask(), gallery);
  let hasCallById = true;
  let waitMs = intervalMs;
  while (answer.status === 'pending') {
    await sleep(waitMs, undefined, { signal: gallery.signal }).catch(() => {
      throw new RunnerError(
        'HTTP_TIMEOUT',
        'The search is still pending (--timeout). Check that something answers the text queue: clip-runner texts, or the embed service.',
      );
    });
    const { id } = answer;
    const again: unknown = hasCallById && id !== undefined ? await callById(gallery, id) : undefined;
    hasCallById = again !== undefined;
    if (!hasCallById) waitMs = Math.min(waitMs * 2, Math.max(MOST_WAIT_MS, intervalMs));
    answer = readTextAnswer(again ?? (await ask()), gallery);
  }
  return readHits(answer.result ?? [], gallery.baseUrl);
}

/** How servers answer a call that they don't have: a web application may answer its page (which is no JSON), or fail. */
const NO_SUCH_CALL: readonly ErrorCode[] = ['HTTP_GONE', 'HTTP_REJECTED', 'HTTP_SERVER_ERROR'];

/** Undefined where the server has no such call. */
async function callById(gallery: Gallery, id: string): Promise<unknown> {
  try {
    return await call(gallery, `/api/search/text/${id}`);
  } catch (thrown) {
    if (thrown instanceof RunnerError && NO_SUCH_CALL.includes(thrown.code)) return undefined;
    throw thrown;
  }
}

function call({ baseUrl, accessToken, signal }: Gallery, path: string, body?: object): Promise<unknown> {
  const request: JsonCall = { url: `${baseUrl}${path}`, accessToken, variable: 'API_BASE_URL', signal };
  return requestJson(body === undefined ? request : { ...request, body });
}

interface TextAnswer {
  readonly status: 'pending' | 'done';
  /** Undefined where it can't be part of a path. */
  readonly id: string | undefined;
  readonly result: unknown;
}

function readTextAnswer(answer: unknown, { baseUrl, accessToken }: Gallery): TextAnswer {
  const fields = unwrap(answer) as Readonly<Record<string, unknown>> | null | undefined;
  const { status, id, result, error } = fields ?? {};
  const server = new URL(baseUrl).origin;
  if (typeof error === 'string' && error !== '') {
    const words = escapeControls(error.replaceAll(accessToken, '…').slice(0, 300));
    throw new RunnerError('HTTP_REJECTED', `${server} could not search: ${words}`);
  }
  if (status !== 'pending' && status !== 'done')
    throw unexpectedAnswer(server, `"status" to be "pending" or "done", but got ${escapeControls(show(status))}`);
  const isId = typeof id === 'number' || typeof id === 'string';
  return { status, id: isId && /^[\w-]{1,64}$/.test(String(id)) ? String(id) : undefined, result };
}
