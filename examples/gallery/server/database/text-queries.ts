import { oneRow, type Queryable } from './database.js';
import { fromSql, toSql } from './vectors.js';

/** A sentence that somebody searched by. */
export interface TextQuery {
  readonly id: number;
  readonly query: string;
  readonly model: string;
  readonly limit: number;
  /** Undefined while nobody has embedded it. */
  readonly vector: readonly number[] | undefined;
  readonly error: string | null;
}

interface QueryRow extends Omit<TextQuery, 'vector'> {
  readonly embedding: string | null;
}

const COLUMNS = 'id, query, model, result_limit AS "limit", embedding::text AS embedding, error';

/** Nobody has answered for so long: the job may be lost. */
const OVERDUE = "interval '10 seconds'";

/**
 * The user's query; the same words to the same model are the same query, and its embedding is kept. `isDue`: its job has to
 * go into the queue, because there is none or it is overdue.
 */
export async function ensureTextQuery(
  database: Queryable,
  {
    userId,
    query,
    model,
    limit,
  }: { readonly userId: number; readonly query: string; readonly model: string; readonly limit: number },
): Promise<TextQuery & { readonly isDue: boolean }> {
  const row = await oneRow<QueryRow & { is_due: boolean }>(
    database,
    `INSERT INTO text_queries (user_id, query, model, result_limit) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id, model, query) DO UPDATE SET result_limit = excluded.result_limit,
       asked_at = CASE WHEN text_queries.embedding IS NULL AND text_queries.asked_at < now() - ${OVERDUE}
         THEN now() ELSE text_queries.asked_at END
     RETURNING ${COLUMNS}, (embedding IS NULL AND asked_at = now()) AS is_due`,
    [userId, query, model, limit],
  );
  if (row === undefined) throw new Error('The query was not added.');
  return { ...described(row), isDue: row.is_due };
}

/** Undefined where there is no such query, or it is another user's. */
export async function findTextQuery(database: Queryable, userId: number, id: number): Promise<TextQuery | undefined> {
  const row = await oneRow<QueryRow>(database, `SELECT ${COLUMNS} FROM text_queries WHERE user_id = $1 AND id = $2`, [
    userId,
    id,
  ]);
  return row && described(row);
}

/** Answers false where there is no such query any more. */
export async function saveTextVector(database: Queryable, id: number, vector: readonly number[]): Promise<boolean> {
  const row = await oneRow(
    database,
    'UPDATE text_queries SET embedding = $2, error = NULL WHERE id = $1 RETURNING id',
    [id, toSql(vector)],
  );
  return row !== undefined;
}

/** How many queries of the user wait for their embedding, of those of the last minute. */
export async function countPending(database: Queryable, userId: number): Promise<number> {
  const row = await oneRow<{ pending: number }>(
    database,
    `SELECT count(*)::int AS pending FROM text_queries
     WHERE user_id = $1 AND embedding IS NULL AND asked_at > now() - interval '1 minute'`,
    [userId],
  );
  return row?.pending ?? 0;
}

export async function removeTextQuery(database: Queryable, id: number): Promise<void> {
  await database.query('DELETE FROM text_queries WHERE id = $1', [id]);
}

/** Forgets what was asked more than a day ago. */
export async function pruneTextQueries(database: Queryable): Promise<void> {
  await database.query(`DELETE FROM text_queries WHERE asked_at < now() - interval '1 day'`);
}

function described({ embedding, ...row }: QueryRow): TextQuery {
  const { id, query, model, limit, error } = row;
  return { id, query, model, limit, error, vector: embedding === null ? undefined : Array.from(fromSql(embedding)) };
}
