import type { FastifySchema } from 'fastify';
import type { ServedModel } from './engine.js';

/**
 * What requests and answers look like: checked at the door, and shown in the OpenAPI document. Whatever these schemas
 * accept is answered, or refused with a status that they name.
 */

/**
 * One character at least that is not blank in the eyes of Python or JavaScript. Written out, as `\S` means something else
 * in each of them.
 */
const NOT_BLANK =
  '[^\\u0009-\\u000d\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff]';

const TEXT = { type: 'string', pattern: NOT_BLANK, examples: ['a cat on the beach'] };
const EMBEDDING = {
  type: 'array',
  items: { type: 'number' },
  description: 'L2-normalised. Nine digits a number: rounded to 32 bits they are exactly what the model gave.',
};

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'The body is not JSON, or nothing is in it',
  401: 'The token is missing or wrong',
  404: 'There is no such model, or no image side',
  408: 'The request came too slowly',
  413: 'The body, the list or the picture is too large',
  415: 'Another Content-Type or Content-Encoding than those that are taken',
  421: 'Named by a host that a service without a token does not answer to',
  422: 'Not what was expected',
  500: 'The model failed',
  501: 'Not installed',
  503: 'Not ready, stopping, or too much waits already; Retry-After says when to ask again',
};

export function modelNames(models: readonly ServedModel[]): readonly string[] {
  return [
    ...new Set(models.flatMap(({ label, repository }) => [label, ...(repository === undefined ? [] : [repository])])),
  ];
}

export interface Schemas {
  readonly text: FastifySchema;
  readonly texts: FastifySchema;
  readonly image: FastifySchema;
  readonly health: FastifySchema;
  readonly ready: FastifySchema;
  readonly metrics: FastifySchema;
}

export interface SchemaFacts {
  readonly models: readonly ServedModel[];
  readonly maxTexts: number;
  readonly hasToken: boolean;
  readonly hasImages: boolean;
}

export function buildSchemas({ models, maxTexts, hasToken, hasImages }: SchemaFacts): Schemas {
  const names = modelNames(models);
  const about = `Label or hub repository; ${models[0]?.label ?? 'the first'} where it is missing.`;
  const model = { type: ['string', 'null'], enum: [...names, null], description: about };
  const security = hasToken ? { security: [{ bearer: [] }] } : {};
  const guarded = hasToken ? [401] : [421];
  const posted = [400, ...guarded, 404, 408, 413, 415, 422, 500, 503];
  return {
    text: {
      summary: 'Embed a text',
      description: 'A text that is longer than the model can read is cut as its tokenizer cuts it.',
      ...security,
      consumes: ['application/json'],
      body: objectOf({ text: TEXT, model }, ['text']),
      response: { 200: success(objectOf({ embedding: EMBEDDING }, ['embedding'])), ...refusals(posted) },
    },
    texts: {
      summary: 'Embed many texts',
      ...security,
      consumes: ['application/json'],
      body: objectOf({ texts: { type: 'array', items: TEXT, maxItems: maxTexts }, model }, ['texts']),
      response: {
        200: success(objectOf({ embeddings: { type: 'array', items: EMBEDDING } }, ['embeddings'])),
        ...refusals(posted),
      },
    },
    image: {
      summary: hasImages ? 'Embed a picture' : 'Embed a picture (off: answers 404)',
      description: 'The bytes of a JPEG, PNG, WebP, GIF or AVIF file, in the space of the texts of the same model.',
      ...security,
      querystring: objectOf({ model: { ...model, type: 'string', enum: names } }, []),
      response: hasImages
        ? { 200: success(objectOf({ embedding: EMBEDDING }, ['embedding'])), ...refusals(posted) }
        : refusals([...guarded, 404]),
    },
    health: {
      summary: 'Whether the service is alive and moves',
      response: { 200: success(statusOf('ok')), ...refusals([503]) },
    },
    ready: {
      summary: 'Whether the models have passed their tests and requests are taken',
      response: { 200: success(statusOf('ready')), ...refusals([503]) },
    },
    metrics: {
      summary: 'Counts for Prometheus',
      response: {
        200: {
          description: 'Text in the format of Prometheus',
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
        ...refusals([501]),
      },
    },
  };
}

function objectOf(properties: Readonly<Record<string, object>>, required: readonly string[]): object {
  return { type: 'object', properties, required };
}

function statusOf(word: string): object {
  return objectOf({ status: { type: 'string', const: word } }, ['status']);
}

function success(schema: object): object {
  return { description: 'Done', ...schema };
}

function refusals(statuses: readonly number[]): Record<number, object> {
  const detail = objectOf({ detail: { type: 'string' } }, ['detail']);
  return Object.fromEntries(statuses.map((status) => [status, { description: REFUSALS[status] ?? '', ...detail }]));
}
