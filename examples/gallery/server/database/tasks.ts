import type { Queryable } from './database.js';

/** A photo whose job has to go into the queue. */
export interface UnqueuedPhoto {
  readonly id: number;
  readonly user_id: number;
  readonly file: string;
  readonly tasks: readonly string[];
}

export async function markDone(inside: Queryable, photoId: number, task: string): Promise<void> {
  await inside.query(
    `INSERT INTO photo_tasks (photo_id, task, state) VALUES ($1, $2, 'done')
     ON CONFLICT (photo_id, task) DO UPDATE SET state = 'done', reason = NULL`,
    [photoId, task],
  );
}

/** Marks what is left of photos whose job is dead; answers whose photos were changed. */
export async function markFailed(
  database: Queryable,
  failed: readonly { readonly photoId: number; readonly reason: string }[],
): Promise<readonly { readonly id: number; readonly user_id: number }[]> {
  return database.query(
    `WITH dead AS (SELECT * FROM unnest($1::int[], $2::text[]) AS d (photo_id, reason)),
     changed AS (UPDATE photo_tasks t SET state = 'failed', reason = d.reason FROM dead d
       WHERE t.photo_id = d.photo_id AND t.state = 'waiting' RETURNING t.photo_id)
     SELECT DISTINCT p.id, p.user_id FROM photos p JOIN changed c ON c.photo_id = p.id`,
    [failed.map(({ photoId }) => photoId), failed.map(({ reason }) => reason)],
  );
}

/** What failed waits again; answers whose photos were changed. */
export async function markWaiting(
  database: Queryable,
  photoIds: readonly number[],
): Promise<readonly { readonly id: number; readonly user_id: number }[]> {
  return database.query(
    `WITH changed AS (UPDATE photo_tasks SET state = 'waiting', reason = NULL
       WHERE photo_id = ANY($1::int[]) AND state = 'failed' RETURNING photo_id)
     SELECT DISTINCT p.id, p.user_id FROM photos p JOIN changed c ON c.photo_id = p.id`,
    [photoIds],
  );
}

/** The oldest first. */
export async function listUnqueued(database: Queryable, limit: number): Promise<readonly UnqueuedPhoto[]> {
  return database.query(
    `SELECT p.id, p.user_id, p.file, (SELECT array_agg(t.task ORDER BY t.task) FROM photo_tasks t WHERE t.photo_id = p.id) AS tasks
     FROM photos p WHERE p.queued_at IS NULL ORDER BY p.id LIMIT $1`,
    [limit],
  );
}

export async function markQueued(database: Queryable, photoIds: readonly number[]): Promise<void> {
  await database.query('UPDATE photos SET queued_at = now() WHERE id = ANY($1::int[])', [photoIds]);
}

/** After the end of a queue that was in memory: what has not come to its end has to be queued again. */
export async function forgetQueued(database: Queryable): Promise<void> {
  await database.query(
    `UPDATE photos p SET queued_at = NULL
     WHERE EXISTS (SELECT 1 FROM photo_tasks t WHERE t.photo_id = p.id AND t.state = 'waiting')`,
  );
}
