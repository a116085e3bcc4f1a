import type { FastifyInstance, FastifyReply } from 'fastify';
import { RunnerError } from '../errors.js';
import type { EmbedEngine, ServedModel, Vectors } from './engine.js';
import type { EmbedServerOptions } from './options.js';
import { Refusal, busy } from './refusal.js';
import type { Schemas } from './schemas.js';
import { vectorJson } from './vector-json.js';
import type { WaitingRoom } from './waiting-room.js';

export interface EmbedRouteParts<Input> {
  readonly engine: EmbedEngine;
  readonly options: EmbedServerOptions;
  readonly schemas: Schemas;
  readonly room: WaitingRoom<Input>;
}

interface TextBody {
  readonly text: string;
  readonly model?: string | null;
}
interface TextsBody {
  readonly texts: readonly string[];
  readonly model?: string | null;
}
interface ImageRequest {
  readonly Body: Buffer | undefined;
  readonly Querystring: { readonly model?: string };
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** `POST /embed_text` and `/embed_texts`. Bodies have passed their schemas when a handler gets them. */
export function addTextRoutes(app: FastifyInstance, { engine, schemas, room }: EmbedRouteParts<string>): void {
  const labelOf = labelFinder(engine.models);

  app.post<{ Body: TextBody }>('/embed_text', { schema: schemas.text }, async ({ body }, reply) => {
    const [vector] = await ask(room, [body.text], labelOf(body.model), reply);
    return reply.type(JSON_TYPE).send(`{"embedding":${vector ?? ''}}`);
  });

  app.post<{ Body: TextsBody }>('/embed_texts', { schema: schemas.texts }, async ({ body }, reply) => {
    const vectors = await ask(room, body.texts, labelOf(body.model), reply);
    return reply.type(JSON_TYPE).send(`{"embeddings":[${vectors.join(',')}]}`);
  });
}

/** `POST /embed_image`, in a scope of its own: only here a body is anything but JSON. */
export function addImageRoute(scope: FastifyInstance, parts: EmbedRouteParts<Uint8Array>): void {
  const { engine, options, schemas, room } = parts;
  const labelOf = labelFinder(engine.models);
  scope.removeAllContentTypeParsers();
  const takeBytes = (_request: unknown, body: Buffer): Promise<Buffer> => Promise.resolve(body);
  for (const type of ['application/octet-stream', /^image\//])
    scope.addContentTypeParser<Buffer>(type, { parseAs: 'buffer' }, takeBytes);
  // Without an image side the answer comes before the body.
  scope.addHook('onRequest', (_request, _reply, done) => {
    if (engine.embedImages !== undefined) done();
    else done(new Refusal(404, 'This service has no image side: start it with --images 1 (EMBED_IMAGES=1).'));
  });
  const { maxImageBytes: bodyLimit } = options;
  scope.post<ImageRequest>('/embed_image', { schema: schemas.image, bodyLimit }, async ({ body, query }, reply) => {
    if (body === undefined || body.length === 0) throw new Refusal(400, 'an image is required: the body is empty');
    const [vector] = await ask(room, [body], labelOf(query.model), reply);
    return reply.type(JSON_TYPE).send(`{"embedding":${vector ?? ''}}`);
  });
}

/** The vectors as JSON, in order. Work that has not begun is called off when the client hangs up. */
async function ask<Input>(
  room: WaitingRoom<Input>,
  inputs: readonly Input[],
  label: string,
  reply: FastifyReply,
): Promise<readonly string[]> {
  if (!room.hasPlaceFor(inputs.length)) throw busy('Too much waits already.');
  const hungUp = new AbortController();
  reply.raw.once('close', () => hungUp.abort());
  return (await room.embed(inputs, label, hungUp.signal)).map(jsonOrThrow);
}

function jsonOrThrow(value: Vectors[number]): string {
  if (value instanceof RunnerError) throw value;
  return vectorJson(value);
}

/** Labels come before repositories, and the first model before later ones of the same repository. */
function labelFinder(models: readonly ServedModel[]): (name: string | null | undefined) => string {
  const labels = new Map<string, string>();
  for (const { label, repository } of [...models].reverse())
    if (repository !== undefined) labels.set(repository, label);
  for (const { label } of models) labels.set(label, label);
  return (name) => labels.get(name ?? models[0]?.label ?? '') ?? '';
}
