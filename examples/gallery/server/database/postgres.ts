import { Pool, type PoolClient } from 'pg';
import type { Database, Queryable } from './database.js';

const CONNECT_MS = 10_000;
const STATEMENT_MS = 30_000;

/** Opens a PostgreSQL server by its address, `postgres://user:password@host/name`; pgvector must be installed there. */
export async function openPostgres(url: string): Promise<Database> {
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
  });
  // A connection that breaks while nobody uses it is replaced by the next one.
  pool.on('error', () => undefined);
  await pool.query('SELECT 1');
  return {
    kind: 'PostgreSQL',
    ...over(pool),
    script: async (statements) => {
      await pool.query(statements);
    },
    transaction: (work) => transact(pool, work),
    close: () => pool.end(),
  };
}

async function transact<T>(pool: Pool, work: (inside: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(over(client));
    await client.query('COMMIT');
    return result;
  } catch (thrown) {
    await client.query('ROLLBACK').catch((error: unknown) => {
      broken = error instanceof Error ? error : new Error(String(error));
    });
    throw thrown;
  } finally {
    client.release(broken);
  }
}

function over(db: Pool | PoolClient): Queryable {
  return {
    query: async <T extends object>(statement: string, parameters: readonly unknown[] = []) =>
      (await db.query(statement, [...parameters])).rows as T[],
  };
}
