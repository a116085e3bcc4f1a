import type { AlbumRecord } from './album-book.js';
import type { Person } from './group-people.js';
import type { FoundFace } from './scan-photos.js';

/** A person of this run with the albums of former runs that are of the same person, the most alike first. */
export interface MatchedPerson {
  readonly person: Person;
  readonly albums: readonly AlbumRecord[];
}

/** What is different about an album of a former run. */
export interface AlbumChange {
  readonly album: AlbumRecord;
  /** Those of this run that it is the first album of: none, one, or several where the person fell apart. */
  readonly people: readonly Person[];
  /** Photos of the person that the album does not have, newest first. */
  readonly missing: readonly string[];
  /** Photos of the album that are among those of this run, but no longer the person's. */
  readonly surplus: readonly string[];
  /** The other albums that turned out to be of the same person. */
  readonly twins: readonly AlbumRecord[];
}

/** The name of a face in a book of albums. */
export function faceKey({ photo, index }: FoundFace): string {
  return `${photo.key}/${index}`;
}

/**
 * Finds out who has an album already. A person and an album belong together where more than half of the faces of either
 * are the other's; only faces count that this run has seen. Faces that were found by another model or with other
 * settings have no names in common with those of this run: photos are compared in their place.
 */
export function matchPeople(
  people: readonly Person[],
  albums: readonly AlbumRecord[],
  found: readonly FoundFace[],
  identity: string,
): readonly MatchedPerson[] {
  const matches = people.map((): { album: AlbumRecord; shared: number }[] => []);
  const byFace = new Sides(people, found, faceKey);
  const byPhoto = new Sides(people, found, ({ photo }) => photo.key);
  for (const album of albums) {
    const isSame = album.identity === identity;
    const sides = isSame ? byFace : byPhoto;
    const keys = new Set(isSame ? album.faces : album.faces.map((key) => key.slice(0, key.indexOf('/'))));
    for (const [place, shared] of sides.related(keys)) matches[place]?.push({ album, shared });
  }
  return people.map((person, place) => ({
    person,
    // A stable sort: of equals the older album comes first.
    albums: (matches[place] ?? []).sort((one, other) => other.shared - one.shared).map(({ album }) => album),
  }));
}

/**
 * What became of each album of former runs.
 * @param seenPhotos that could be looked at: of others nothing is known
 */
export function compareAlbums(
  matched: readonly MatchedPerson[],
  albums: readonly AlbumRecord[],
  seenPhotos: ReadonlySet<string>,
): readonly AlbumChange[] {
  return albums.map((album) => {
    const own = matched.filter((match) => match.albums[0] === album);
    const all = matched.filter((match) => match.albums.includes(album));
    const keys = (matches: readonly MatchedPerson[]): ReadonlySet<string> =>
      new Set(matches.flatMap(({ person }) => person.photos.map(({ key }) => key)));
    const inAlbum = new Set(album.photos);
    const ofPerson = keys(all);
    return {
      album,
      people: own.map(({ person }) => person),
      missing: [...keys(own)].filter((key) => !inAlbum.has(key)),
      surplus: album.photos.filter((key) => seenPhotos.has(key) && !ofPerson.has(key)),
      twins: [...new Set(own.flatMap((match) => match.albums.slice(1)))],
    };
  });
}

/** The record with the faces that this run found; those that it has not seen stay. */
export function renewRecord(
  { album, people }: AlbumChange,
  found: readonly FoundFace[],
  identity: string,
): AlbumRecord {
  if (people.length === 0) return album;
  const faces = people.flatMap((person) => person.faces.map(faceKey));
  const seen = new Set(found.map(faceKey));
  const unseen = album.identity === identity ? album.faces.filter((key) => !seen.has(key)) : [];
  return { ...album, faces: [...faces, ...unseen], identity };
}

/** The people of this run as sets of keys: of faces, or of photos. */
class Sides {
  readonly #sizes: readonly number[];
  /** Which people have a key; of faces it is one at most. */
  readonly #owners = new Map<string, number[]>();
  readonly #seen: ReadonlySet<string>;

  constructor(people: readonly Person[], found: readonly FoundFace[], keyOf: (face: FoundFace) => string) {
    this.#seen = new Set(found.map(keyOf));
    this.#sizes = people.map(({ faces }, place) => {
      const keys = new Set(faces.map(keyOf));
      for (const key of keys) this.#owners.set(key, [...(this.#owners.get(key) ?? []), place]);
      return keys.size;
    });
  }

  /** The people, by their place, that share more than half of their or of these keys, and how many they share. */
  related(keys: ReadonlySet<string>): readonly (readonly [place: number, shared: number])[] {
    const seen = [...keys].filter((key) => this.#seen.has(key));
    const shared = new Map<number, number>();
    for (const place of seen.flatMap((key) => this.#owners.get(key) ?? []))
      shared.set(place, (shared.get(place) ?? 0) + 1);
    return [...shared].filter(([place, count]) => 2 * count > Math.min(seen.length, this.#sizes[place] ?? 0));
  }
}
