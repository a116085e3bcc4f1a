import type { Database, Queryable } from './database.js';
import { lockPhoto } from './results.js';
import { markDone } from './tasks.js';
import { fromSql, toSql } from './vectors.js';

/** Corners in pixels. */
export interface FaceBox {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

export interface NewFace {
  readonly model: string;
  readonly box: FaceBox;
  readonly vector: readonly number[];
}

/** A face of a photo that is shown. */
export interface ShownFace extends FaceBox {
  readonly id: number;
  readonly person_id: number | null;
  readonly person_name: string | null;
}

interface KnownFace extends FaceBox {
  readonly person_id: number | null;
}

/** Boxes that share so much of their area are of the same face. */
const SAME_FACE = 0.5;

/**
 * Puts faces in the place of those that the models found before; `models` are those that looked, whether they found any or
 * not. A face that was there before stays with its person. Answers whose photo it is, or undefined where it is gone.
 */
export async function saveFaces(
  database: Database,
  photoId: number,
  faces: readonly NewFace[],
  models: readonly string[],
): Promise<number | undefined> {
  return database.transaction(async (inside) => {
    const userId = await lockPhoto(inside, photoId);
    if (userId === undefined) return undefined;
    const before = await inside.query<KnownFace>(
      'DELETE FROM faces WHERE photo_id = $1 AND model = ANY($2::text[]) RETURNING person_id, x1, y1, x2, y2',
      [photoId, models],
    );
    for (const { model, box, vector } of faces) {
      const known = before.find((face) => face.person_id !== null && overlap(face, box) >= SAME_FACE);
      await inside.query(
        `INSERT INTO faces (photo_id, person_id, model, x1, y1, x2, y2, embedding)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [photoId, known?.person_id ?? null, model, box.x1, box.y1, box.x2, box.y2, toSql(vector)],
      );
    }
    await markDone(inside, photoId, 'face');
    return userId;
  });
}

/** The share of two boxes' area together that both cover, 0 to 1. */
function overlap(one: FaceBox, other: FaceBox): number {
  const width = Math.min(one.x2, other.x2) - Math.max(one.x1, other.x1);
  const height = Math.min(one.y2, other.y2) - Math.max(one.y1, other.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = ({ x1, y1, x2, y2 }: FaceBox): number => (x2 - x1) * (y2 - y1);
  return (width * height) / (area(one) + area(other) - width * height);
}

/** From left to right. */
export async function facesOfPhoto(database: Queryable, photoId: number): Promise<readonly ShownFace[]> {
  return database.query(
    `SELECT f.id, f.x1, f.y1, f.x2, f.y2, f.person_id, n.name AS person_name
     FROM faces f LEFT JOIN people n ON n.id = f.person_id WHERE f.photo_id = $1 ORDER BY f.x1, f.id`,
    [photoId],
  );
}

/** A face with the file that it is cut out of. */
export interface FacePlace extends FaceBox {
  readonly file: string;
}

/** Undefined where there is no such face, or it is in another user's photo. */
export async function findFace(database: Queryable, userId: number, id: number): Promise<FacePlace | undefined> {
  const [face] = await database.query<FacePlace>(
    `SELECT p.file, f.x1, f.y1, f.x2, f.y2 FROM faces f JOIN photos p ON p.id = f.photo_id
     WHERE p.user_id = $1 AND f.id = $2`,
    [userId, id],
  );
  return face;
}

/** A face to be put with others. */
export interface FaceToGroup {
  readonly id: number;
  readonly photoId: number;
  readonly personId: number | null;
  readonly embedding: Float32Array;
}

/** All faces of a user's photos that a model found, in the order of their ids. */
export async function facesOfUser(database: Queryable, userId: number, model: string): Promise<readonly FaceToGroup[]> {
  const rows = await database.query<{ id: number; photo_id: number; person_id: number | null; embedding: string }>(
    `SELECT f.id, f.photo_id, f.person_id, f.embedding::text AS embedding
     FROM faces f JOIN photos p ON p.id = f.photo_id WHERE p.user_id = $1 AND f.model = $2 ORDER BY f.id`,
    [userId, model],
  );
  return rows.map(({ id, photo_id: photoId, person_id: personId, embedding }) => ({
    id,
    photoId,
    personId,
    embedding: fromSql(embedding),
  }));
}
