import { RunnerError, type ErrorCode } from '../../errors.js';
import { askAgain, mayReadLater, type Patience } from '../ask-again.js';
import type { Gallery } from '../gallery-access.js';
import { requestJson, unexpectedAnswer } from '../json-request.js';
import { isObject, unwrap } from '../search-hits.js';

/** A list of 100,000 photos takes some 50 MB. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;
const MAX_PHOTOS = 5_000_000;

/** A photo as the gallery lists it. */
export interface GalleryPhoto {
  /** As the gallery wrote it, a number or a text; sent back the same way. */
  readonly id: number | string;
  /** The id's decimal digits; the same for 7 and "7". */
  readonly key: string;
  /** Where its file is, below the server's address and below the upload folder. */
  readonly url: string;
}

export interface PhotoList {
  /** Newest first: by id, descending. */
  readonly photos: readonly GalleryPhoto[];
  /** Entries without a usable id or address; what was wrong with each, and how often. */
  readonly unusable: ReadonlyMap<string, number>;
}

/** How servers answer a page that they don't have. */
const NO_SUCH_PAGE: readonly ErrorCode[] = ['HTTP_GONE', 'HTTP_REJECTED'];

/**
 * Lists the user's photos. A server may answer all of them at once or by pages: further pages are asked for, in the two
 * usual ways at once (`page`, `offset`), until one brings no photo that was not there before.
 * @param ask a new signal for each request
 * @throws RunnerError `HTTP_*`
 */
export async function listPhotos(ask: () => Gallery, patience: Patience): Promise<PhotoList> {
  const photos = new Map<string, GalleryPhoto>();
  const unusable = new Map<string, number>();
  for (let page = 1, entries = 0; ; page++) {
    const list = await askForPage(ask, patience, { page, offset: entries });
    if (list === undefined) break;
    entries += list.length;
    const known = photos.size;
    const complaints = list.flatMap((entry) => take(entry, photos));
    if (page > 1 && photos.size === known) break;
    for (const complaint of complaints) unusable.set(complaint, (unusable.get(complaint) ?? 0) + 1);
    if (list.length === 0) break;
    if (photos.size > MAX_PHOTOS) throw unexpectedAnswer(ask().baseUrl, `at most ${MAX_PHOTOS} photos`);
  }
  return { photos: [...photos.values()].sort(newestFirst), unusable };
}

/** Undefined where there is no such page. */
async function askForPage(
  ask: () => Gallery,
  patience: Patience,
  { page, offset }: { readonly page: number; readonly offset: number },
): Promise<readonly unknown[] | undefined> {
  const query = page === 1 ? '' : `?page=${page}&offset=${offset}`;
  const request = ({ baseUrl, accessToken, signal }: Gallery): Promise<unknown> => {
    const call = { url: `${baseUrl}/api/photos${query}`, accessToken, variable: 'API_BASE_URL', signal };
    return requestJson({ ...call, maxAnswerBytes: MAX_LIST_BYTES });
  };
  try {
    const list = unwrap(await askAgain(() => request(ask()), mayReadLater, patience));
    if (Array.isArray(list)) return list as readonly unknown[];
    if (page > 1 && list === null) return undefined;
    throw unexpectedAnswer(new URL(ask().baseUrl).origin, 'a list of {"id","url"}, or {"data":[…]}');
  } catch (thrown) {
    if (page > 1 && thrown instanceof RunnerError && NO_SUCH_PAGE.includes(thrown.code)) return undefined;
    throw thrown;
  }
}

/** Adds an entry to the photos; answers what is wrong with one that can't be used. */
function take(entry: unknown, photos: Map<string, GalleryPhoto>): readonly string[] {
  const { id, url } = isObject(entry) ? entry : {};
  const key = digitsOf(id);
  if (key === undefined) {
    const isTooLarge = typeof id === 'number' && Number.isInteger(id);
    return [isTooLarge ? 'its id is a number beyond 2^53; such ids must be texts' : 'its id is no whole number'];
  }
  if (typeof url !== 'string' || url === '') return ['it has no url'];
  photos.set(key, { id: id as number | string, key, url });
  return [];
}

/** Numbers beyond 2^53 have lost digits before anybody can see it; as texts they are exact. */
function digitsOf(id: unknown): string | undefined {
  if (typeof id === 'number') return Number.isSafeInteger(id) && id >= 0 ? String(id) : undefined;
  return typeof id === 'string' && /^[0-9]{1,19}$/.test(id) ? BigInt(id).toString() : undefined;
}

function newestFirst({ key: one }: GalleryPhoto, { key: other }: GalleryPhoto): number {
  if (one.length !== other.length) return other.length - one.length;
  return one === other ? 0 : one < other ? 1 : -1;
}
