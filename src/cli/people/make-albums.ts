import { coerceError, systemCode, type RunnerError } from '../../errors.js';
import { askAgain, type Patience } from '../ask-again.js';
import type { Gallery } from '../gallery-access.js';
import { requestJson } from '../json-request.js';
import { isObject, unwrap } from '../search-hits.js';
import type { AlbumBook, AlbumRecord } from './album-book.js';
import type { Person } from './group-people.js';
import { faceKey } from './match-albums.js';

/** An album that is to be made. */
export interface AlbumPlan {
  readonly person: Person;
  readonly name: string;
  readonly description: string;
}

export interface MadeAlbums {
  readonly made: readonly { readonly plan: AlbumPlan; readonly id: number | string | null }[];
  readonly refused: readonly { readonly plan: AlbumPlan; readonly error: RunnerError }[];
  /** Those that were not tried, because of a failure that would meet them as well, or because of a stop. */
  readonly left: readonly AlbumPlan[];
}

/**
 * The albums of people who have none. The name has the person's number; where an album has that name already, the next
 * number that is free.
 */
export function planAlbums(
  people: readonly Person[],
  albums: readonly AlbumRecord[],
  threshold: number,
): readonly AlbumPlan[] {
  const names = new Set(albums.map(({ name }) => name));
  let next = Math.max(0, ...people.map(({ number }) => number));
  return people.map((person) => {
    let name = nameOf(person.number);
    while (names.has(name)) name = nameOf((next += 1));
    names.add(name);
    return { person, name, description: `自动生成：${person.faces.length} 张人脸，余弦距离阈值 ${threshold}` };
  });
}

/** The name that the gallery's users know from the albums that there are. */
function nameOf(number: number): string {
  return `人物簇#${number}`;
}

export interface MakeOptions {
  readonly book: AlbumBook;
  readonly identity: string;
  /** A new signal for each request. */
  readonly ask: () => Gallery;
  /** Its signal ends it after the album in hand. */
  readonly patience: Patience;
}

/**
 * Makes the albums one after the other. Each is in the book before it is asked for, and as made once it is, so that the
 * next run goes on wherever this one ends. An album that the server refuses is no reason to leave out the others.
 * @throws where the book can't be written: then the album in hand is in it as asked for
 */
export async function makeAlbums(
  plans: readonly AlbumPlan[],
  { book, identity, ask, patience }: MakeOptions,
): Promise<MadeAlbums> {
  const made: { plan: AlbumPlan; id: number | string | null }[] = [];
  const refused: { plan: AlbumPlan; error: RunnerError }[] = [];
  for (const [place, plan] of plans.entries()) {
    if (patience.signal.aborted) return { made, refused, left: plans.slice(place) };
    const before = book.albums;
    const record: AlbumRecord = { ...recordOf(plan, identity), id: null, state: 'pending' };
    await book.save([...before, record]);
    let id: number | string | null;
    try {
      id = await askAgain(() => makeAlbum(ask(), plan), isSurelyNotMade, patience);
    } catch (thrown) {
      const error = coerceError(thrown);
      if (!mayBeMade(error)) await book.save(before);
      refused.push({ plan, error });
      if (isAboutOne(error)) continue;
      return { made, refused, left: plans.slice(place + 1) };
    }
    await book.save([...before, { ...record, id, state: 'made' }]);
    made.push({ plan, id });
  }
  return { made, refused, left: [] };
}

function recordOf({ name, person }: AlbumPlan, identity: string): Omit<AlbumRecord, 'id' | 'state'> {
  return { name, photos: person.photos.map(({ key }) => key), faces: person.faces.map(faceKey), identity };
}

async function makeAlbum(
  { baseUrl, accessToken, signal }: Gallery,
  { name, description, person }: AlbumPlan,
): Promise<number | string | null> {
  const answer = await requestJson({
    url: `${baseUrl}/api/albums`,
    body: { name, description, photo_ids: person.photos.map(({ id }) => id) },
    accessToken,
    variable: 'API_BASE_URL',
    hints: {
      http_403: "a photo of the album is not this user's",
      HTTP_REJECTED: 'it could not use the album; look at its log',
    },
    isAnswerOptional: true,
    signal,
  });
  const fields = unwrap(answer);
  const id = isObject(fields) ? fields['id'] : undefined;
  return typeof id === 'number' || typeof id === 'string' ? id : null;
}

/** Errors before the request was on its way. */
const NOT_SENT: readonly (string | undefined)[] = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'];

/** Whether the server did not take the request up, and may do so later. A broken connection does not tell. */
function isSurelyNotMade({ code, reason, cause }: RunnerError): boolean {
  return code === 'HTTP_RATE_LIMITED' || reason === 'http_503' || NOT_SENT.includes(systemCode(cause));
}

/** Whether the album may be there all the same: the connection broke, or no answer came in time. */
function mayBeMade({ code, reason, cause }: RunnerError): boolean {
  // With 502 and 504 a proxy says that it has heard nothing.
  if (/^http_\d/.test(reason)) return reason === 'http_502' || reason === 'http_504';
  return (code === 'HTTP_UNAVAILABLE' || code === 'HTTP_TIMEOUT') && !NOT_SENT.includes(systemCode(cause));
}

/** Whether the failure is that of one album (a photo that is not the user's, say), and the next may succeed. */
function isAboutOne({ code, reason }: RunnerError): boolean {
  return code === 'HTTP_REJECTED' || code === 'HTTP_SERVER_ERROR' || reason === 'http_403';
}
