import { oneRow, type Queryable } from './database.js';

/** Somebody who has photos. */
export interface User {
  readonly id: number;
  readonly name: string;
}

/** The user of this name, made where there is none. */
export async function ensureUser(database: Queryable, name: string): Promise<User> {
  await database.query('INSERT INTO users (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [name]);
  const user = await oneRow<User>(database, 'SELECT id, name FROM users WHERE name = $1', [name]);
  if (user === undefined) throw new Error(`The user ${name} was removed just now.`);
  return user;
}

export async function findUser(database: Queryable, id: number): Promise<User | undefined> {
  return oneRow<User>(database, 'SELECT id, name FROM users WHERE id = $1', [id]);
}
