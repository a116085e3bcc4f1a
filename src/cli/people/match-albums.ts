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

interface Match {
  /** The person's place among all. */
  readonly place: number;
  readonly album: AlbumRecord;
  /** Faces, or photos, of both. */
  readonly shared: number;
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
  const sides = new Sides(people, found, faceKey);
  const byFace = albums
    .filter((album) => album.identity === identity)
    .flatMap((album) => sides.related(new Set(album.faces)).map((relation): Match => ({ ...relation, album })));
  const strange = albums.filter((album) => album.identity !== identity);
  const matches = [...byFace, ...matchByPhotos(people, strange, found, byFace)];
  return people.map((person, place) => ({
    person,
    // A stable sort: of equals the older album comes first.
    albums: matches
      .filter((match) => match.place === place)
      .sort((one, other) => other.shared - one.shared)
      .map(({ album }) => album),
  }));
}

/**
 * The same by photos. People who are always together have all photos in common, so each photo of a person counts for one
 * album, and each of an album for one person: first for those who share most.
 */
function matchByPhotos(
  people: readonly Person[],
  albums: readonly AlbumRecord[],
  found: readonly FoundFace[],
  matched: readonly Match[],
): readonly Match[] {
  const sides = new Sides(people, found, ({ photo }) => photo.key);
  const free = people.map(({ photos }) => new Set(photos.map(({ key }) => key)));
  for (const { place, album } of matched) for (const key of photosOf(album)) free[place]?.delete(key);
  const pairs = albums.flatMap((album) => {
    const keys = photosOf(album);
    return sides.related(keys).map((relation) => ({ ...relation, album, keys }));
  });
  return pairs
    .sort((one, other) => other.shared - one.shared)
    .flatMap(({ place, album, keys, smaller }): readonly Match[] => {
      const common = [...keys].filter((key) => free[place]?.has(key));
      if (2 * common.length <= smaller) return [];
      for (const key of common) {
        keys.delete(key);
        free[place]?.delete(key);
      }
      return [{ place, album, shared: common.length }];
    });
}

function photosOf({ faces }: AlbumRecord): Set<string> {
  return new Set(faces.map((key) => key.slice(0, key.indexOf('/'))));
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

  /** The people that share more than half of their or of these keys, and the size of the smaller side. */
  related(keys: ReadonlySet<string>): readonly (Omit<Match, 'album'> & { readonly smaller: number })[] {
    const seen = [...keys].filter((key) => this.#seen.has(key));
    const counts = new Map<number, number>();
    for (const place of seen.flatMap((key) => this.#owners.get(key) ?? []))
      counts.set(place, (counts.get(place) ?? 0) + 1);
    return [...counts]
      .map(([place, shared]) => ({ place, shared, smaller: Math.min(seen.length, this.#sizes[place] ?? 0) }))
      .filter(({ shared, smaller }) => 2 * shared > smaller);
  }
}
