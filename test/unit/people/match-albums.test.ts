import { describe, expect, it } from 'vitest';
import type { AlbumRecord } from '../../../src/cli/people/album-book.js';
import type { Person } from '../../../src/cli/people/group-people.js';
import { planAlbums } from '../../../src/cli/people/make-albums.js';
import { compareAlbums, faceKey, matchPeople, renewRecord } from '../../../src/cli/people/match-albums.js';
import type { FoundFace } from '../../../src/cli/people/scan-photos.js';
import { foundFace, personOn } from '../../support/people.js';

const faces = (...ids: readonly number[]): FoundFace[] => ids.map((id) => foundFace(id));
const person = (number: number, ...ids: readonly number[]): Person => personOn(number, faces(...ids));

function album(name: string, ids: readonly number[], facts: Partial<AlbumRecord> = {}): AlbumRecord {
  const photos = ids.map(String);
  return { name, id: name, state: 'made', photos, faces: faces(...ids).map(faceKey), identity: 'm', ...facts };
}

/** Each person's albums, by name. */
function match(
  people: readonly Person[],
  albums: readonly AlbumRecord[],
  strangers: readonly FoundFace[] = [],
): string[][] {
  const found = [...people.flatMap((each) => each.faces), ...strangers];
  return matchPeople(people, albums, found, 'm').map((each) => each.albums.map(({ name }) => name));
}

describe('people and the albums that there are', () => {
  it('belong together where most faces of the album are the person’s, however many came', () => {
    expect(match([person(1, 1, 2, 3, 4, 5, 6, 7)], [album('a', [1, 2])])).toEqual([['a']]);
  });

  it('belong together where most faces of the person are the album’s: the person fell apart', () => {
    expect(match([person(1, 1, 2, 3), person(2, 4, 5)], [album('a', [1, 2, 3, 4, 5])])).toEqual([['a'], ['a']]);
  });

  it('are strangers where they share half of the faces or fewer', () => {
    expect(match([person(1, 1, 10, 11), person(2, 2, 12, 13)], [album('a', [1, 2])])).toEqual([[], []]);
  });

  it('are compared by faces that this run has seen, also those of people without an album', () => {
    expect(match([person(1, 1, 7, 8, 9)], [album('a', [1, 2, 3, 4])]), 'of the album only photo 1 was seen').toEqual([
      ['a'],
    ]);
    expect(match([person(1, 1, 7, 8, 9)], [album('a', [1, 2, 3, 4])], faces(2, 3, 4))).toEqual([[]]);
  });

  it('name the album first that shares most', () => {
    expect(match([person(1, 1, 2, 3, 4, 5)], [album('a', [1, 2]), album('b', [3, 4, 5])])).toEqual([['b', 'a']]);
  });

  it('tell two people apart who are always in the same photos', () => {
    const both = [1, 2, 3].flatMap((id) => [foundFace(id, 0), foundFace(id, 1)]);
    const [one, other] = [0, 1].map((index) =>
      personOn(
        index + 1,
        both.filter((face) => face.index === index),
      ),
    );
    const albums = [album('a', [1, 2, 3])];
    expect(matchPeople([one!, other!], albums, both, 'm').map((each) => each.albums.length)).toEqual([1, 0]);
  });

  it('are compared by photos where the faces are another model’s', () => {
    const old = album('a', [1, 2], { identity: 'old', faces: ['1/7', '2/9'] });
    expect(match([person(1, 1, 2, 3), person(2, 8, 9)], [old])).toEqual([['a'], []]);
  });

  describe('by photos', () => {
    const old = (name: string, index: number, ...ids: readonly number[]): AlbumRecord =>
      album(name, ids, { identity: 'old', faces: ids.map((id) => `${id}/${index}`) });
    const together = [0, 1].map((index) =>
      personOn(
        index + 1,
        [1, 2, 3].map((id) => foundFace(id, index)),
      ),
    );

    it('keep two people apart who are always in the same photos', () => {
      const albums = [old('a', 0, 1, 2, 3), old('b', 1, 1, 2, 3)];
      expect(match(together, albums)).toEqual([['a'], ['b']]);
      const found = together.flatMap(({ faces: own }) => own);
      const changes = compareAlbums(matchPeople(together, albums, found, 'm'), albums, new Set(['1', '2', '3']));
      expect(changes.map((change) => renewRecord(change, found, 'm').faces)).toEqual([
        ['1/0', '2/0', '3/0'],
        ['1/1', '2/1', '3/1'],
      ]);
    });

    it('give the one album of two such people to one of them', () => {
      expect(match(together, [old('a', 0, 1, 2, 3)])).toEqual([['a'], []]);
    });

    it('give an album first to whom it shares most photos with', () => {
      const albums = [old('a', 0, 1, 2, 3), old('b', 1, 1, 2, 3, 4)];
      const [one] = together;
      const other = personOn(2, [...together[1]!.faces, foundFace(4, 1)]);
      expect(match([one!, other], albums)).toEqual([['a'], ['b']]);
      expect(match([other, one!], albums)).toEqual([['b'], ['a']]);
    });

    it('count no photo of a person that is known by a face as another’s', () => {
      const albums = [old('b', 1, 1, 2, 3), album('a', [1, 2, 3])];
      expect(match([together[0]!], albums)).toEqual([['a']]);
    });

    it('know a person who fell apart, and two albums of one person', () => {
      expect(match([person(1, 1, 2, 3), person(2, 4, 5)], [old('a', 0, 1, 2, 3, 4, 5)])).toEqual([['a'], ['a']]);
      expect(match([person(1, 1, 2, 3, 4, 5)], [old('a', 0, 1, 2), old('b', 0, 3, 4, 5)])).toEqual([['b', 'a']]);
    });
  });
});

describe('what changed about an album', () => {
  const compare = (people: readonly Person[], albums: readonly AlbumRecord[], seen: readonly number[]) => {
    const found = people.flatMap((each) => each.faces);
    return compareAlbums(matchPeople(people, albums, found, 'm'), albums, new Set(seen.map(String)));
  };

  it('is the photos that it lacks, and those that are no longer the person’s', () => {
    const [change] = compare([person(1, 9, 2, 1)], [album('a', [1, 2, 3, 4])], [1, 2, 3, 9]);
    expect(change).toMatchObject({ missing: ['9'], surplus: ['3'], twins: [] });
  });

  it('is that it is of the same person as another', () => {
    const [one, other] = compare([person(1, 1, 2, 3)], [album('a', [1, 2]), album('b', [3])], [1, 2, 3]);
    expect(one?.twins.map(({ name }) => name)).toEqual(['b']);
    expect(other).toMatchObject({ people: [], surplus: [] });
  });

  it('renews the faces by which it is known, and keeps those that were not seen', () => {
    const people = [person(1, 9, 2)];
    const albums = [album('a', [1, 2])];
    const found = people.flatMap((each) => each.faces);
    const [change] = compare(people, albums, [2, 9]);
    expect(renewRecord(change!, found, 'm').faces).toEqual(['9/0', '2/0', '1/0']);
    expect(renewRecord(change!, [...found, foundFace(1)], 'm').faces, 'seen, and of nobody').toEqual(['9/0', '2/0']);
    expect(renewRecord(change!, found, 'other')).toMatchObject({ faces: ['9/0', '2/0'], identity: 'other' });
  });
});

describe('names of albums', () => {
  const names = (people: readonly Person[], albums: readonly AlbumRecord[] = []): string[] =>
    planAlbums(people, albums, 0.42).map(({ name }) => name);

  it('have the person’s number', () => {
    expect(names([person(2, 1), person(5, 2)])).toEqual(['人物簇#2', '人物簇#5']);
    expect(planAlbums([person(2, 1, 2)], [], 0.42)[0]?.description).toMatch(/2 .*0\.42/);
  });

  it('are never given twice', () => {
    const taken = ['人物簇#2', '人物簇#6'].map((name) => album(name, []));
    expect(names([person(1, 1), person(2, 2), person(5, 3)], taken)).toEqual(['人物簇#1', '人物簇#7', '人物簇#5']);
  });
});
