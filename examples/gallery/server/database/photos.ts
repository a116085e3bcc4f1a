import { oneRow, type Queryable } from './database.js';

/** How far one task of a photo is. */
interface TaskState {
  readonly task: string;
  readonly state: 'waiting' | 'done' | 'failed';
  /** Why it failed. */
  readonly reason: string | null;
}

/** A photo, without its vectors. */
export interface PhotoRow {
  readonly id: number;
  readonly user_id: number;
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly ml_result: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
  readonly tasks: readonly TaskState[];
  readonly faces: number;
}

export interface NewPhoto {
  readonly userId: number;
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly tasks: readonly string[];
}

/** Columns of a `PhotoRow`, of the table `photos` under the name `p`. */
export const PHOTO_COLUMNS = `p.id, p.user_id, p.file, p.name, p.bytes, p.width, p.height, p.ml_result, p.created_at,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('task', t.task, 'state', t.state, 'reason', t.reason) ORDER BY t.task), '[]')
     FROM photo_tasks t WHERE t.photo_id = p.id) AS tasks,
  (SELECT count(*)::int FROM faces f WHERE f.photo_id = p.id) AS faces`;

/** Adds a photo whose job has yet to be queued; answers its id. The thumbnail is the server's own task. */
export async function addPhoto(inside: Queryable, photo: NewPhoto, hasThumbnail: boolean): Promise<number> {
  const row = await oneRow<{ id: number }>(
    inside,
    'INSERT INTO photos (user_id, file, name, bytes, width, height) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id',
    [photo.userId, photo.file, photo.name, photo.bytes, photo.width, photo.height],
  );
  if (row === undefined) throw new Error('The photo was not added.');
  await inside.query('INSERT INTO photo_tasks (photo_id, task) SELECT $1, unnest($2::text[])', [row.id, photo.tasks]);
  await inside.query(
    `INSERT INTO photo_tasks (photo_id, task, state, reason) VALUES ($1, 'thumbnail', $2, $3) ON CONFLICT DO NOTHING`,
    [row.id, hasThumbnail ? 'done' : 'failed', hasThumbnail ? null : 'decode'],
  );
  return row.id;
}

/** Newest first. `before` is the id of a photo; only older ones are listed then. */
export async function listPhotos(
  database: Queryable,
  userId: number,
  { limit, offset = 0, before }: { readonly limit: number; readonly offset?: number; readonly before?: number },
): Promise<readonly PhotoRow[]> {
  return database.query<PhotoRow>(
    `SELECT ${PHOTO_COLUMNS} FROM photos p WHERE p.user_id = $1 AND ($4::int IS NULL OR p.id < $4)
     ORDER BY p.id DESC LIMIT $2 OFFSET $3`,
    [userId, limit, offset, before ?? null],
  );
}

/** Undefined where there is no such photo, or it is another user's. */
export async function findPhoto(database: Queryable, userId: number, id: number): Promise<PhotoRow | undefined> {
  return oneRow<PhotoRow>(database, `SELECT ${PHOTO_COLUMNS} FROM photos p WHERE p.user_id = $1 AND p.id = $2`, [
    userId,
    id,
  ]);
}

/** Whether a file is one of the user's photos. */
export async function ownsFile(database: Queryable, userId: number, file: string): Promise<boolean> {
  return (
    (await oneRow(database, 'SELECT 1 FROM photos WHERE user_id = $1 AND file = $2', [userId, file])) !== undefined
  );
}

/** Which of these photos are the user's. */
export async function ownPhotos(
  database: Queryable,
  userId: number,
  ids: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await database.query<{ id: number }>(
    'SELECT id FROM photos WHERE user_id = $1 AND id = ANY($2::int[])',
    [userId, ids],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Answers the photo's file, or undefined where there was none. */
export async function removePhoto(database: Queryable, userId: number, id: number): Promise<string | undefined> {
  const row = await oneRow<{ file: string }>(
    database,
    'DELETE FROM photos WHERE user_id = $1 AND id = $2 RETURNING file',
    [userId, id],
  );
  return row?.file;
}
