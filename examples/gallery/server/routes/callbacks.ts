import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { saveFaces, type NewFace } from '../database/faces.js';
import { saveResult } from '../database/results.js';
import { saveTextVector } from '../database/text-queries.js';
import type { GalleryParts } from '../parts.js';
import { orMissing, Refusal } from '../refusal.js';
import { isSameToken } from '../sessions.js';
import { idSchema } from './ids.js';

/** A detector that finds more than this finds patterns. */
const MOST_FACES = 1_000;

const LABEL = { type: 'string', minLength: 1, maxLength: 200 } as const;

/** Where runners post what they have made of a photo or a text (§2 of the contract). */
export function callbackRoutes(parts: GalleryParts): FastifyPluginAsync {
  const { settings } = parts;
  return async (app: FastifyInstance) => {
    app.addHook('onRequest', (request, _reply, done) => {
      if (isSameToken(request.headers['x-internal-token'], settings.internalToken)) done();
      else done(new Refusal(401, 'The internal token is wrong.'));
    });
    resultRoute(app, parts);
    facesRoute(app, parts);
    textRoute(app, parts);
    await Promise.resolve();
  };
}

interface ResultBody {
  readonly model?: string;
  readonly modality?: 'image' | 'caption';
  readonly embedding?: readonly number[];
  readonly ml_result?: Readonly<Record<string, unknown>>;
}

function resultRoute(app: FastifyInstance, { database, news, settings }: GalleryParts): void {
  const schema = {
    params: idSchema,
    body: {
      type: 'object',
      properties: {
        model: LABEL,
        modality: { enum: ['image', 'caption'] },
        embedding: vectorOf(settings.embeddingDim),
        ml_result: { type: 'object' },
        processing_status: { type: 'string' },
      },
      anyOf: [{ required: ['model', 'embedding'] }, { required: ['ml_result'] }],
      dependencies: { embedding: ['model'] },
    },
  } as const;
  app.post<{ Params: { id: number }; Body: ResultBody }>('/photos/:id/ml_result', { schema }, async (request) => {
    const { id } = request.params;
    const { model, modality = 'image', embedding, ml_result: mlResult } = request.body;
    const userId = await saveResult(database, id, {
      ...(model !== undefined && embedding !== undefined && { embedding: { model, modality, vector: embedding } }),
      ...(mlResult !== undefined && { mlResult }),
    });
    orMissing(userId);
    news.tell(id);
    return { ok: true };
  });
}

interface FacesBody {
  readonly faces: readonly {
    readonly embedding: readonly number[];
    readonly model: string;
    readonly bbox: NewFace['box'];
  }[];
}

function facesRoute(app: FastifyInstance, { database, news, people, settings }: GalleryParts): void {
  const number = { type: 'number' } as const;
  const face = {
    type: 'object',
    required: ['embedding', 'model', 'bbox'],
    properties: {
      embedding: vectorOf(settings.faceDim),
      model: LABEL,
      bbox: {
        type: 'object',
        required: ['x1', 'y1', 'x2', 'y2'],
        properties: { x1: number, y1: number, x2: number, y2: number },
      },
    },
  } as const;
  const schema = {
    params: idSchema,
    body: {
      type: 'object',
      required: ['faces'],
      properties: { faces: { type: 'array', maxItems: MOST_FACES, items: face } },
    },
  } as const;
  app.post<{ Params: { id: number }; Body: FacesBody }>('/photos/:id/faces', { schema }, async (request) => {
    const { id } = request.params;
    const faces = request.body.faces.map(({ embedding, model, bbox }) => ({ model, box: bbox, vector: embedding }));
    // Who finds no face names no model.
    const models = faces.length > 0 ? [...new Set(faces.map(({ model }) => model))] : [settings.faceModel];
    const userId = orMissing(await saveFaces(database, id, faces, models));
    people.schedule(userId);
    news.tell(id);
    return { ok: true };
  });
}

function textRoute(app: FastifyInstance, { database, texts, settings }: GalleryParts): void {
  const schema = {
    params: idSchema,
    body: {
      type: 'object',
      required: ['embedding'],
      properties: { embedding: vectorOf(settings.embeddingDim), model: LABEL, error: { type: ['string', 'null'] } },
    },
  } as const;
  app.post<{ Params: { id: number }; Body: { readonly embedding: readonly number[] } }>(
    '/text_queries/:id',
    { schema },
    async (request) => {
      const { id } = request.params;
      if (!(await saveTextVector(database, id, request.body.embedding))) orMissing(undefined);
      texts.announce(id);
      return { ok: true };
    },
  );
}

function vectorOf(length: number): object {
  return { type: 'array', minItems: length, maxItems: length, items: { type: 'number' } };
}
