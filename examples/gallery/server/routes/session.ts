import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { GalleryParts } from '../parts.js';
import { Refusal } from '../refusal.js';
import { bearerOf, isFromOwnPage, sessionCookie } from '../sessions.js';

/** Signing in and out. A token is exchanged for a cookie that no script can read. */
export function sessionRoutes({ sessions, settings }: GalleryParts): FastifyPluginAsync {
  return async (app) => {
    app.get('/api/session', async (request) => {
      const caller = await sessions.callerOf(request);
      const { model, weights, tasks, maxUploadBytes } = settings;
      return {
        user: caller?.user ?? null,
        model,
        tasks,
        max_upload_bytes: maxUploadBytes,
        image_weight: weights.image,
        caption_weight: weights.caption,
      };
    });

    app.post('/api/session', async (request, reply) => {
      refuseOtherSites(request);
      const token = bearerOf(request);
      const caller = token === undefined ? undefined : await sessions.callerOf(request);
      if (token === undefined || caller === undefined) throw new Refusal(401, 'The token is wrong or too old.');
      reply.header('set-cookie', sessionCookie(token, isSecure(request)));
      return { user: caller.user };
    });

    app.delete('/api/session', (request, reply) => {
      refuseOtherSites(request);
      reply.header('set-cookie', sessionCookie('', isSecure(request)));
      return reply.send({ user: null });
    });
    await Promise.resolve();
  };
}

function refuseOtherSites(request: FastifyRequest): void {
  if (!isFromOwnPage(request)) throw new Refusal(403, 'Another site made this request.');
}

/** Behind a proxy that speaks TLS the page's own address says so. */
function isSecure({ headers }: FastifyRequest): boolean {
  return headers.origin?.startsWith('https:') === true;
}
