import type { Queryable } from './database.js';
import { PHOTO_COLUMNS, type PhotoRow } from './photos.js';
import { toSql } from './vectors.js';

/** How much the distances of the two embeddings of a photo count; not both 0. */
export interface FusionWeights {
  readonly image: number;
  readonly caption: number;
}

/** A photo that was found. Distances are `1 - cosine`, 0 to 2. */
export interface FoundPhoto extends PhotoRow {
  readonly distance: number;
  readonly image_distance: number | null;
  readonly caption_distance: number | null;
}

export interface SearchRequest {
  readonly userId: number;
  readonly vector: readonly number[];
  readonly model: string;
  readonly limit: number;
  readonly weights: FusionWeights;
}

/**
 * The user's photos nearest to a vector of the same model. Where a photo has a caption, its distance is the weighted mean of
 * the two; where it has one embedding only, that one decides.
 */
export async function findNearest(
  database: Queryable,
  { userId, vector, model, limit, weights }: SearchRequest,
): Promise<readonly FoundPhoto[]> {
  return database.query<FoundPhoto>(
    `WITH measured AS (
       SELECT e.photo_id,
         min(e.embedding <=> $2::vector) FILTER (WHERE e.modality = 'image') AS image_distance,
         min(e.embedding <=> $2::vector) FILTER (WHERE e.modality = 'caption') AS caption_distance
       FROM photo_embeddings e JOIN photos o ON o.id = e.photo_id
       WHERE o.user_id = $1 AND e.model = $3 GROUP BY e.photo_id
     ), fused AS (
       SELECT *, CASE
         WHEN caption_distance IS NULL THEN image_distance
         WHEN image_distance IS NULL THEN caption_distance
         ELSE ($5::float8 * image_distance + $6::float8 * caption_distance) / ($5::float8 + $6::float8)
       END AS distance
       FROM measured
     ), nearest AS (SELECT * FROM fused ORDER BY distance, photo_id DESC LIMIT $4)
     SELECT ${PHOTO_COLUMNS}, n.distance, n.image_distance, n.caption_distance
     FROM nearest n JOIN photos p ON p.id = n.photo_id ORDER BY n.distance, p.id DESC`,
    [userId, toSql(vector), model, limit, weights.image, weights.caption],
  );
}

/** The user's photos that are most alike to one of them, which is left out. Empty as long as it has no embedding. */
export async function findSimilar(
  database: Queryable,
  {
    userId,
    photoId,
    model,
    limit,
  }: { readonly userId: number; readonly photoId: number; readonly model: string; readonly limit: number },
): Promise<readonly FoundPhoto[]> {
  return database.query<FoundPhoto>(
    `WITH nearest AS (
       SELECT e.photo_id, e.embedding <=> own.embedding AS distance
       FROM photo_embeddings own
         JOIN photo_embeddings e ON e.model = own.model AND e.modality = 'image' AND e.photo_id <> own.photo_id
         JOIN photos o ON o.id = e.photo_id
       WHERE own.photo_id = $2 AND own.model = $3 AND own.modality = 'image' AND o.user_id = $1
       ORDER BY distance, e.photo_id DESC LIMIT $4)
     SELECT ${PHOTO_COLUMNS}, n.distance, n.distance AS image_distance, NULL::float8 AS caption_distance
     FROM nearest n JOIN photos p ON p.id = n.photo_id ORDER BY n.distance, p.id DESC`,
    [userId, photoId, model, limit],
  );
}
