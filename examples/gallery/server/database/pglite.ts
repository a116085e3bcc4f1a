import { PGlite, type Transaction } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import type { Database, Queryable } from './database.js';

/** Opens an embedded PostgreSQL with pgvector: in a folder, or in memory without one. */
export async function openPglite(folder?: string): Promise<Database> {
  const db = await PGlite.create({ extensions: { vector }, ...(folder === undefined ? {} : { dataDir: folder }) });
  return {
    kind: 'PGlite',
    ...over(db),
    script: async (statements) => {
      await db.exec(statements);
    },
    transaction: (work) => db.transaction((inside) => work(over(inside))),
    close: () => db.close(),
  };
}

function over(db: PGlite | Transaction): Queryable {
  return {
    query: async <T extends object>(statement: string, parameters: readonly unknown[] = []) =>
      (await db.query<T>(statement, [...parameters])).rows,
  };
}
