import { Ajv } from 'ajv';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { sqlState } from './database/database.js';
import type { User } from './database/users.js';
import type { GalleryParts } from './parts.js';
import { Refusal } from './refusal.js';
import { albumRoutes } from './routes/albums.js';
import { eventRoutes } from './routes/events.js';
import { callbackRoutes } from './routes/callbacks.js';
import { pageRoutes } from './routes/page.js';
import { peopleRoutes } from './routes/people.js';
import { photoRoutes } from './routes/photos.js';
import { queueRoutes } from './routes/queue.js';
import { searchRoutes } from './routes/search.js';
import { sessionRoutes } from './routes/session.js';
import { uploadRoutes } from './routes/uploads.js';
import { isFromOwnPage, type Caller } from './sessions.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the hook of the routes for users. */
    caller: Caller | undefined;
  }
}

/** Addresses are made of texts; a body says what it means. */
const addresses = new Ajv({ coerceTypes: true, useDefaults: true });
const bodies = new Ajv({ useDefaults: true, allowUnionTypes: true });

const BODY_BYTES = 4 * 1024 * 1024;

/** Everything of the page comes from this server; nothing in it can be a script but its own files. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** The HTTP server; it listens to nothing yet. */
export async function buildApp(parts: GalleryParts): Promise<FastifyInstance> {
  const app = Fastify({ bodyLimit: BODY_BYTES, forceCloseConnections: 'idle', routerOptions: { maxParamLength: 64 } });
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS);
    done();
  });
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? bodies : addresses).compile(schema));
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'There is no such thing here.' }));
  app.decorateRequest('caller', undefined);

  await app.register(pageRoutes);
  await app.register(callbackRoutes(parts), { prefix: '/api/internal' });
  await app.register(sessionRoutes(parts));
  await app.register(async (users) => {
    users.addHook('onRequest', async (request) => {
      request.caller = await admit(parts, request);
    });
    for (const routes of [photoRoutes, uploadRoutes, searchRoutes, peopleRoutes, albumRoutes, queueRoutes, eventRoutes])
      await users.register(routes(parts));
  });
  return app;
}

async function admit({ sessions }: GalleryParts, request: FastifyRequest): Promise<Caller> {
  const caller = await sessions.callerOf(request);
  if (caller === undefined) throw new Refusal(401, 'Sign in, or send the token of a user.');
  const changes = request.method !== 'GET' && request.method !== 'HEAD';
  if (changes && caller.by === 'cookie' && !isFromOwnPage(request))
    throw new Refusal(403, 'Another site made this request.');
  return caller;
}

/** The user who makes a request; only for routes behind the hook that admits users. */
export function userOf({ caller }: FastifyRequest): User {
  if (caller === undefined) throw new Refusal(401, 'Sign in, or send the token of a user.');
  return caller.user;
}

function answerError(error: FastifyError | Error, _request: FastifyRequest, reply: FastifyReply): void {
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500;
  // Values that a column can't hold: a number too large, a NUL in a text.
  if (sqlState(error)?.startsWith('22') === true) void reply.code(400).send({ error: 'A value is out of range.' });
  else if (status < 500 || error instanceof Refusal) void reply.code(status).send({ error: error.message });
  else {
    process.emitWarning(error, { code: 'GALLERY_REQUEST' });
    void reply.code(500).send({ error: 'The server failed.' });
  }
}
