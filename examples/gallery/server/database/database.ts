/** A row as the database answers it. */
export type Row = Readonly<Record<string, unknown>>;

/** What statements are sent to: the database, or a transaction in it. */
export interface Queryable {
  /** Runs one statement with its parameters `$1`, `$2`, … */
  query<T extends object = Row>(statement: string, parameters?: readonly unknown[]): Promise<readonly T[]>;
}

/** PostgreSQL with pgvector: embedded (PGlite) or a server. Both speak the same SQL. */
export interface Database extends Queryable {
  /** For messages. */
  readonly kind: string;
  /** Runs several statements without parameters. */
  script(statements: string): Promise<void>;
  /** All or nothing: what `work` throws undoes what it did. */
  transaction<T>(work: (inside: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The one row that a statement answers, or undefined. */
export async function oneRow<T extends object = Row>(
  database: Queryable,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<T | undefined> {
  const [row] = await database.query<T>(statement, parameters);
  return row;
}

/** The code that PostgreSQL gave an error, as `23505`; undefined for any other error. */
export function sqlState(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
