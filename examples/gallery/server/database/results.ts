import { oneRow, type Database, type Queryable } from './database.js';
import { markDone } from './tasks.js';
import { toSql } from './vectors.js';

/** What a callback brings for a photo. */
export interface PhotoResult {
  readonly embedding?: {
    readonly model: string;
    readonly modality: 'image' | 'caption';
    readonly vector: readonly number[];
  };
  /** Merged into what is there, key by key. */
  readonly mlResult?: Readonly<Record<string, unknown>>;
}

/** Keeps a result; answers whose photo it is, or undefined where the photo is gone. */
export async function saveResult(
  database: Database,
  photoId: number,
  { embedding, mlResult }: PhotoResult,
): Promise<number | undefined> {
  return database.transaction(async (inside) => {
    const userId = await lockPhoto(inside, photoId);
    if (userId === undefined) return undefined;
    if (embedding !== undefined) {
      await inside.query(
        `INSERT INTO photo_embeddings (photo_id, model, modality, embedding) VALUES ($1, $2, $3, $4)
         ON CONFLICT (photo_id, model, modality) DO UPDATE SET embedding = excluded.embedding`,
        [photoId, embedding.model, embedding.modality, toSql(embedding.vector)],
      );
      await markDone(inside, photoId, embedding.modality === 'image' ? 'clip' : 'caption');
    }
    if (mlResult !== undefined) {
      await inside.query('UPDATE photos SET ml_result = ml_result || $2::jsonb WHERE id = $1', [
        photoId,
        JSON.stringify(mlResult),
      ]);
      if ('ocr_text' in mlResult) await markDone(inside, photoId, 'ocr');
    }
    return userId;
  });
}

/** Whose photo it is; nobody removes it before the transaction ends. */
export async function lockPhoto(inside: Queryable, photoId: number): Promise<number | undefined> {
  const row = await oneRow<{ user_id: number }>(inside, 'SELECT user_id FROM photos WHERE id = $1 FOR UPDATE', [
    photoId,
  ]);
  return row?.user_id;
}
