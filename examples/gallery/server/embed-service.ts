import type { TextQuery } from './database/text-queries.js';
import { Refusal } from './refusal.js';
import type { GallerySettings } from './settings.js';

const ANSWER_MS = 10_000;

/** Asks the embed service (§4 of the contract) where there is one and the query has no embedding yet. */
export async function embedByService(
  { embedUrl, embeddingDim, translate }: GallerySettings,
  { query, model, vector }: TextQuery,
): Promise<readonly number[] | undefined> {
  if (embedUrl === undefined || vector !== undefined) return undefined;
  try {
    const answer = await fetch(embedUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: translate(query), model }),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const body: unknown = await answer.json();
    if (answer.ok && isEmbedding(body, embeddingDim)) return body.embedding;
  } catch {
    // Below.
  }
  throw new Refusal(503, 'The embed service did not answer with an embedding.');
}

function isEmbedding(body: unknown, length: number): body is { readonly embedding: readonly number[] } {
  if (typeof body !== 'object' || body === null || !('embedding' in body)) return false;
  const { embedding } = body;
  return Array.isArray(embedding) && embedding.length === length && embedding.every(Number.isFinite);
}
