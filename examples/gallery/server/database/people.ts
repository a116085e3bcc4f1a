import { oneRow, type Database, type Queryable } from './database.js';
import { PHOTO_COLUMNS, type PhotoRow } from './photos.js';

/** Somebody whose face is in several photos. */
export interface Person {
  readonly id: number;
  /** Empty as long as nobody has given one. */
  readonly name: string;
  readonly photos: number;
  readonly faces: number;
  /** The face that stands for the person: the largest. */
  readonly face_id: number;
}

/** Faces of one person. */
export interface PersonFaces {
  /** Undefined for a person who is new. */
  readonly personId: number | undefined;
  readonly faceIds: readonly number[];
}

const PERSON = `SELECT n.id, n.name, count(DISTINCT f.photo_id)::int AS photos, count(*)::int AS faces,
    (array_agg(f.id ORDER BY (f.x2 - f.x1) * (f.y2 - f.y1) DESC, f.id))[1] AS face_id
  FROM people n JOIN faces f ON f.person_id = n.id WHERE n.user_id = $1`;

/** Those in most photos first. */
export async function listPeople(database: Queryable, userId: number): Promise<readonly Person[]> {
  return database.query<Person>(`${PERSON} GROUP BY n.id, n.name ORDER BY photos DESC, n.id`, [userId]);
}

export async function findPerson(database: Queryable, userId: number, id: number): Promise<Person | undefined> {
  return oneRow<Person>(database, `${PERSON} AND n.id = $2 GROUP BY n.id, n.name`, [userId, id]);
}

/** Newest first. */
export async function photosOfPerson(database: Queryable, userId: number, id: number): Promise<readonly PhotoRow[]> {
  return database.query<PhotoRow>(
    `SELECT ${PHOTO_COLUMNS} FROM photos p
     WHERE p.user_id = $1 AND p.id IN (SELECT photo_id FROM faces WHERE person_id = $2) ORDER BY p.id DESC LIMIT 1000`,
    [userId, id],
  );
}

/** Answers false where there is no such person. */
export async function renamePerson(database: Queryable, userId: number, id: number, name: string): Promise<boolean> {
  const row = await oneRow(database, 'UPDATE people SET name = $3 WHERE user_id = $1 AND id = $2 RETURNING id', [
    userId,
    id,
    name,
  ]);
  return row !== undefined;
}

/** Keeps who is who: people without a face are forgotten, the others keep their names. */
export async function savePeople(
  database: Database,
  userId: number,
  model: string,
  people: readonly PersonFaces[],
): Promise<void> {
  await database.transaction(async (inside) => {
    await inside.query(
      `UPDATE faces f SET person_id = NULL FROM photos p
       WHERE p.id = f.photo_id AND p.user_id = $1 AND f.model = $2 AND f.person_id IS NOT NULL`,
      [userId, model],
    );
    for (const { personId, faceIds } of people) {
      const id = personId ?? (await makePerson(inside, userId));
      await inside.query('UPDATE faces SET person_id = $1 WHERE id = ANY($2::int[])', [id, faceIds]);
    }
    await inside.query(
      'DELETE FROM people n WHERE n.user_id = $1 AND NOT EXISTS (SELECT 1 FROM faces f WHERE f.person_id = n.id)',
      [userId],
    );
  });
}

async function makePerson(inside: Queryable, userId: number): Promise<number> {
  const row = await oneRow<{ id: number }>(inside, 'INSERT INTO people (user_id) VALUES ($1) RETURNING id', [userId]);
  if (row === undefined) throw new Error('The person was not added.');
  return row.id;
}
