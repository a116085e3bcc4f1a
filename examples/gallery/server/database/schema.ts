import type { Database } from './database.js';

/** Lengths of the vectors. */
export interface Dimensions {
  /** Of photos, captions and texts. */
  readonly embedding: number;
  readonly face: number;
}

/**
 * Makes the tables where they are missing. The tables keep vectors of one length each; another length needs a database of
 * its own.
 */
export async function prepareDatabase(database: Database, dimensions: Dimensions): Promise<void> {
  await database.script(tables(dimensions));
  const columns = [
    ['photo_embeddings', dimensions.embedding],
    ['faces', dimensions.face],
  ] as const;
  for (const [table, expected] of columns) {
    const [column] = await database.query<{ length: number }>(
      `SELECT atttypmod AS length FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'embedding'`,
      [table],
    );
    if (column?.length !== expected)
      throw new Error(
        `The table ${table} holds vectors of ${column?.length ?? 0} numbers, but ${expected} are configured ` +
          `(PROCESSING_EMBEDDING_DIM, PROCESSING_FACE_EMBEDDING_DIM). Use another database.`,
      );
  }
}

function tables({ embedding, face }: Dimensions): string {
  return `
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE IF NOT EXISTS users (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS photos (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
  file text NOT NULL UNIQUE,
  name text NOT NULL,
  bytes int NOT NULL,
  -- As a person sees it: turned as the file says.
  width int NOT NULL,
  height int NOT NULL,
  ml_result jsonb NOT NULL DEFAULT '{}',
  -- When its job went into the queue; empty where it still has to.
  queued_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS photos_of_user ON photos (user_id, id DESC);
CREATE INDEX IF NOT EXISTS photos_not_queued ON photos (id) WHERE queued_at IS NULL;

CREATE TABLE IF NOT EXISTS photo_tasks (
  photo_id int NOT NULL REFERENCES photos ON DELETE CASCADE,
  task text NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
  reason text,
  PRIMARY KEY (photo_id, task)
);

-- Compared one by one: a user has so few photos that an index would only cost exactness.
CREATE TABLE IF NOT EXISTS photo_embeddings (
  photo_id int NOT NULL REFERENCES photos ON DELETE CASCADE,
  model text NOT NULL,
  modality text NOT NULL CHECK (modality IN ('image', 'caption')),
  embedding vector(${embedding}) NOT NULL,
  UNIQUE (photo_id, model, modality)
);

CREATE TABLE IF NOT EXISTS people (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
  name text NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS faces (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  photo_id int NOT NULL REFERENCES photos ON DELETE CASCADE,
  person_id int REFERENCES people ON DELETE SET NULL,
  model text NOT NULL,
  -- In pixels of the photo as a person sees it.
  x1 real NOT NULL,
  y1 real NOT NULL,
  x2 real NOT NULL,
  y2 real NOT NULL,
  embedding vector(${face}) NOT NULL
);
CREATE INDEX IF NOT EXISTS faces_of_photo ON faces (photo_id);
CREATE INDEX IF NOT EXISTS faces_of_person ON faces (person_id);

CREATE TABLE IF NOT EXISTS albums (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
  name text NOT NULL,
  description text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS album_photos (
  album_id int NOT NULL REFERENCES albums ON DELETE CASCADE,
  photo_id int NOT NULL REFERENCES photos ON DELETE CASCADE,
  PRIMARY KEY (album_id, photo_id)
);

CREATE TABLE IF NOT EXISTS text_queries (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
  query text NOT NULL,
  model text NOT NULL,
  result_limit int NOT NULL,
  embedding vector(${embedding}),
  error text,
  asked_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, model, query)
);
`;
}
