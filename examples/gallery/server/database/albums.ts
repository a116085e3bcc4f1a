import { oneRow, type Database, type Queryable } from './database.js';
import { PHOTO_COLUMNS, type PhotoRow } from './photos.js';

/** Photos that a user or a tool put together. */
export interface Album {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly photo_ids: readonly number[];
}

const ALBUM = `SELECT a.id, a.name, a.description,
    (SELECT coalesce(array_agg(ap.photo_id ORDER BY ap.photo_id DESC), '{}') FROM album_photos ap WHERE ap.album_id = a.id)
      AS photo_ids
  FROM albums a WHERE a.user_id = $1`;

/** Newest first. */
export async function listAlbums(database: Queryable, userId: number): Promise<readonly Album[]> {
  return database.query<Album>(`${ALBUM} ORDER BY a.id DESC LIMIT 1000`, [userId]);
}

export async function findAlbum(database: Queryable, userId: number, id: number): Promise<Album | undefined> {
  return oneRow<Album>(database, `${ALBUM} AND a.id = $2`, [userId, id]);
}

export async function photosOfAlbum(database: Queryable, userId: number, id: number): Promise<readonly PhotoRow[]> {
  return database.query<PhotoRow>(
    `SELECT ${PHOTO_COLUMNS} FROM photos p
     WHERE p.user_id = $1 AND p.id IN (SELECT photo_id FROM album_photos WHERE album_id = $2) ORDER BY p.id DESC`,
    [userId, id],
  );
}

/** The photos must be the user's. Answers the album's id. */
export async function addAlbum(
  database: Database,
  userId: number,
  {
    name,
    description,
    photoIds,
  }: { readonly name: string; readonly description: string; readonly photoIds: readonly number[] },
): Promise<number> {
  return database.transaction(async (inside) => {
    const album = await oneRow<{ id: number }>(
      inside,
      'INSERT INTO albums (user_id, name, description) VALUES ($1, $2, $3) RETURNING id',
      [userId, name, description],
    );
    if (album === undefined) throw new Error('The album was not added.');
    await inside.query(
      'INSERT INTO album_photos (album_id, photo_id) SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING',
      [album.id, photoIds],
    );
    return album.id;
  });
}

/** Answers false where there is no such album. The photos stay. */
export async function removeAlbum(database: Queryable, userId: number, id: number): Promise<boolean> {
  const row = await oneRow(database, 'DELETE FROM albums WHERE user_id = $1 AND id = $2 RETURNING id', [userId, id]);
  return row !== undefined;
}
