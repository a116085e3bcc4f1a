import type { Server } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyHttpOptions } from 'fastify';
import { VERSION } from '../version.js';
import { answerClientError } from './client-error.js';
import type { EmbedServerOptions } from './options.js';
import { refusalOf } from './refusal.js';

/** The head of a request must be there after this time, in milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
/** A connection on which nothing moves for so long is closed; a client that waits for its answer has hung up then. */
const IDLE_TIMEOUT_MS = 120_000;
const MAX_CONNECTIONS = 4096;

export interface AppHooks {
  readonly onFailure: (thrown: unknown) => void;
  /** What to name to clients that ask for a model which isn't there. */
  readonly models: string;
}

/** A Fastify without routes: its limits, and its way of refusing. */
export async function createApp(options: EmbedServerOptions, hooks: AppHooks): Promise<FastifyInstance> {
  // Loaded here, so that the other commands do without.
  const { fastify } = await import('fastify');
  const refuse = (thrown: unknown, reply: FastifyReply): void => {
    // The client has hung up: what it caused is no failure, and there is nobody to tell.
    if (reply.raw.destroyed) return;
    const refusal = refusalOf(thrown, hooks.models);
    if (refusal.status === 500) hooks.onFailure(thrown);
    void reply.code(refusal.status).headers(refusal.headers).send({ detail: refusal.message });
  };
  const app: FastifyInstance = fastify({
    ...settingsOf(options),
    frameworkErrors: (error, _request, reply) => refuse(error, reply as FastifyReply),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.removeContentTypeParser('text/plain');
  // Answers are made here and need no second look.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.setErrorHandler((thrown, _request, reply) => refuse(thrown, reply));
  return app;
}

function settingsOf({ maxBodyBytes, requestTimeoutMs }: EmbedServerOptions): FastifyHttpOptions<Server> {
  return {
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: IDLE_TIMEOUT_MS,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
    },
    // Known fields are picked, so a key called __proto__ is as good as any other.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    // A service that stops answers by itself.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    // A number is no text, and nothing is filled in or taken away.
    ajv: { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: false } },
  };
}

/** `GET /openapi.json` and the page `/docs`, of every route that is added later. */
export async function addDocument(app: FastifyInstance, hasToken: boolean): Promise<void> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ]);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'clip-runner',
        description: 'Embeds texts and pictures, so that one finds the other.',
        version: VERSION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      ...(hasToken ? { components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } } : {}),
    },
    // A schema of bytes is for readers only: nothing could check a picture against it.
    transform: ({ schema, url }) => ({ schema: url === '/embed_image' ? { ...schema, ...PICTURE } : schema, url }),
  });
  // The page asks nobody but this service, and works without TLS.
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY, uiConfig: { validatorUrl: null } });
  let document: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(document);
  });
}

const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'";

const PICTURE = {
  consumes: ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'application/octet-stream'],
  body: { type: 'string', format: 'binary' },
};
