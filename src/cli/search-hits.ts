import { unexpectedAnswer } from './json-request.js';
import { escapeControls } from './escape-controls.js';
import { terminalLink } from './terminal-links.js';

/** A photo that was found, nearest first. */
export interface Hit {
  readonly id: string | number;
  /** Absolute, http or https; as the server wrote it where it is no such address; null where there is none. */
  readonly url: string | null;
  /** Cosine distance as the server gives it: 0 is the same. */
  readonly distance: number;
}

/** What `{"data": …}` holds, where a server wraps its answers. */
export function unwrap(answer: unknown): unknown {
  return isObject(answer) && 'data' in answer ? answer['data'] : answer;
}

/**
 * Reads `[{"photo":{"id","url"},"distance"}]`, or the same within `{"data":…}`.
 * @param base of relative addresses, without a slash at its end
 * @throws RunnerError `HTTP_SERVER_ERROR` for anything else
 */
export function readHits(answer: unknown, base: string): readonly Hit[] {
  const list = unwrap(answer);
  if (!Array.isArray(list)) throw unexpectedHits(base);
  return list.map((entry: unknown) => {
    const { photo, distance } = isObject(entry) ? entry : {};
    const { id, url = null } = isObject(photo) ? photo : {};
    const isPhoto = (typeof id === 'number' || typeof id === 'string') && (url === null || typeof url === 'string');
    if (!isPhoto || !Number.isFinite(distance)) throw unexpectedHits(base);
    return { id, url: url === null ? null : absolute(url, base), distance: distance as number };
  });
}

/** One line per photo: rank, id, distance, address. What a server wrote never reaches the terminal as it is. */
export function renderHits(hits: readonly Hit[], hasLinks: boolean): string {
  const ids = hits.map(({ id }) => escapeControls(String(id)));
  const idWidth = Math.max(...ids.map((id) => id.length));
  const rankWidth = String(hits.length).length;
  return hits
    .map(({ url, distance }, index) => {
      const rank = String(index + 1).padStart(rankWidth);
      const address = url === null ? '-' : hasLinks && isAddress(url) ? terminalLink(url, url) : escapeControls(url);
      return `${rank}  ${(ids[index] ?? '').padStart(idWidth)}  ${distance.toFixed(4)}  ${address}\n`;
    })
    .join('');
}

/** The same as JSON in one line: `[{"rank":1,"id":42,"distance":0.18,"url":"https://…"}]`. */
export function hitsAsJson(hits: readonly Hit[]): string {
  return `${escapeControls(JSON.stringify(hits.map((hit, index) => ({ rank: index + 1, ...hit }))))}\n`;
}

/** A path of the server lies below the base, its prefix included: the server does not know of a proxy's prefix. */
function absolute(url: string, base: string): string {
  const target = /^\/(?!\/)/.test(url) ? `${base}${url}` : url;
  const address = URL.canParse(target, `${base}/`) ? new URL(target, `${base}/`).href : '';
  return isAddress(address) ? address : url;
}

/** A link to a file or a script of the reader's machine is never offered. */
function isAddress(url: string): boolean {
  return /^https?:\/\//.test(url) && URL.canParse(url) && new URL(url).href === url;
}

function unexpectedHits(base: string): Error {
  return unexpectedAnswer(new URL(base).origin, 'a list of {"photo":{"id","url"},"distance"}');
}

/** Whether a value has fields. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
