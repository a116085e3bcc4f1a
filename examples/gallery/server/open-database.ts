import type { Database } from './database/database.js';
import { openPglite } from './database/pglite.js';
import { openPostgres } from './database/postgres.js';

/** The server of `DATABASE_URL`, else an embedded database: in a folder, or in memory without one. */
export async function openDatabase(url: string | undefined, folder?: string): Promise<Database> {
  return url === undefined || url === '' ? openPglite(folder) : openPostgres(url);
}
