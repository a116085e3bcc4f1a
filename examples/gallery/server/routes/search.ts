import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { userOf } from '../app.js';
import { findNearest, type FusionWeights } from '../database/search.js';
import {
  countPending,
  ensureTextQuery,
  findTextQuery,
  removeTextQuery,
  saveTextVector,
  type TextQuery,
} from '../database/text-queries.js';
import { embedByService } from '../embed-service.js';
import type { GalleryParts } from '../parts.js';
import { viewHit, type HitView } from '../photo-view.js';
import { plainText } from '../plain-text.js';
import { orMissing, Refusal } from '../refusal.js';
import { idSchema } from './ids.js';

const MOST_FOUND = 1_000;
const MOST_QUERY = 1_000;
const MOST_PENDING = 100;
const MOST_WAIT_MS = 10_000;

interface Weights {
  readonly image_weight?: number;
  readonly caption_weight?: number;
}
interface VectorBody extends Weights {
  readonly embedding: readonly number[];
  readonly model?: string;
  readonly modality: 'text' | 'image';
  readonly limit: number;
}
interface TextBody extends Weights {
  readonly query: string;
  readonly model?: string | null;
  readonly limit: number;
  readonly embedding?: readonly number[];
}
interface TextAnswer {
  readonly id: number;
  readonly status: 'pending' | 'done';
  readonly result?: readonly HitView[];
}

/** Finding photos by a vector or by words (§3 of the contract). */
export function searchRoutes(parts: GalleryParts): FastifyPluginAsync {
  const { database, texts, settings } = parts;
  const { embeddingDim: length } = settings;
  const vector = { type: 'array', minItems: length, maxItems: length, items: { type: 'number' } } as const;
  const limit = { type: 'integer', minimum: 1, maximum: MOST_FOUND, default: 20 } as const;
  const weight = { type: 'number', minimum: 0, maximum: 1_000 } as const;
  const weights = { image_weight: weight, caption_weight: weight };
  const label = { type: ['string', 'null'], minLength: 1, maxLength: 200 } as const;

  const vectorSchema = {
    body: {
      type: 'object',
      required: ['embedding'],
      properties: {
        embedding: vector,
        model: label,
        modality: { enum: ['text', 'image'], default: 'text' },
        limit,
        ...weights,
      },
    },
  } as const;
  const textSchema = {
    body: {
      type: 'object',
      required: ['query'],
      properties: {
        query: { type: 'string', maxLength: MOST_QUERY },
        model: label,
        limit,
        embedding: vector,
        ...weights,
      },
    },
  } as const;
  const answerSchema = {
    params: idSchema,
    querystring: {
      type: 'object',
      properties: { wait: { type: 'integer', minimum: 0, maximum: MOST_WAIT_MS, default: 0 }, ...weights },
    },
  } as const;

  const answer = async (request: FastifyRequest, query: TextQuery, given: Weights): Promise<TextAnswer> => {
    const { id, model, limit: most, vector: found } = query;
    if (found === undefined) return { id, status: 'pending' };
    const userId = userOf(request).id;
    const asked = { userId, vector: found, model, limit: most, weights: weightsOf(given, settings.weights) };
    return { id, status: 'done', result: (await findNearest(database, asked)).map(viewHit) };
  };

  return async (app) => {
    app.post<{ Body: VectorBody }>('/api/search/vector', { schema: vectorSchema }, async (request) => {
      const { embedding, model, modality, limit: most } = request.body;
      const given = weightsOf(request.body, settings.weights);
      const found = await findNearest(database, {
        userId: userOf(request).id,
        vector: embedding,
        model: model ?? settings.model,
        limit: most,
        // A picture is compared with pictures.
        weights: modality === 'image' ? { image: 1, caption: 0 } : given,
      });
      return found.map(viewHit);
    });

    app.post<{ Body: TextBody }>('/api/search/text', { schema: textSchema }, async (request) =>
      answer(request, await askFor(parts, userOf(request).id, request.body), request.body),
    );

    app.get<{ Params: { id: number }; Querystring: Weights & { readonly wait: number } }>(
      '/api/search/text/:id',
      { schema: answerSchema },
      async (request) => {
        const { id } = request.params;
        const find = async (): Promise<TextQuery> => orMissing(await findTextQuery(database, userOf(request).id, id));
        const query = await find();
        const { wait } = request.query;
        if (query.vector !== undefined || wait === 0) return answer(request, query, request.query);
        await texts.wait(id, wait, request.signal);
        return answer(request, await find(), request.query);
      },
    );
    await Promise.resolve();
  };
}

/** The query with its embedding, where that is at hand; else its embedding is on its way. */
async function askFor(parts: GalleryParts, userId: number, body: TextBody): Promise<TextQuery> {
  const { database, queues, settings } = parts;
  const query = plainText(body.query);
  if (query === '') throw new Refusal(400, 'The query is empty.');
  const model = body.model ?? settings.model;
  if ((await countPending(database, userId)) >= MOST_PENDING) throw new Refusal(429, 'Too many searches at a time.');
  const asked = await ensureTextQuery(database, { userId, query, model, limit: body.limit });
  const given = body.embedding ?? (await embedByService(settings, asked));
  if (given !== undefined) {
    await saveTextVector(database, asked.id, given);
    return { ...asked, vector: given };
  }
  if (!asked.isDue) return asked;
  const job = {
    type: 'text_embed',
    request_id: asked.id,
    query: settings.translate(query),
    model,
    limit: body.limit,
  };
  try {
    await queues.push('texts', [job]);
  } catch {
    await removeTextQuery(database, asked.id);
    throw new Refusal(503, 'The queue is out of reach.');
  }
  return asked;
}

function weightsOf({ image_weight, caption_weight }: Weights, preset: FusionWeights): FusionWeights {
  const weights = { image: image_weight ?? preset.image, caption: caption_weight ?? preset.caption };
  if (weights.image + weights.caption > 0) return weights;
  throw new Refusal(400, 'One of the two weights must be above 0.');
}
