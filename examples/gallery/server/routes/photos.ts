import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { userOf } from '../app.js';
import { facesOfPhoto, findFace } from '../database/faces.js';
import { findPhoto, listPhotos, ownsFile, removePhoto } from '../database/photos.js';
import { findSimilar } from '../database/search.js';
import type { GalleryParts } from '../parts.js';
import { viewHit } from '../photo-view.js';
import { orMissing } from '../refusal.js';
import { idSchema, MOST_ID } from './ids.js';

const MOST_LISTED = 1_000;
/** Files never change under their names, and are their owner's alone. */
const KEEP = 'private, max-age=31536000, immutable';

interface ListQuery {
  readonly limit: number;
  readonly offset: number;
  readonly before?: number;
}

/** Looking at one's photos. */
export function photoRoutes({ database, files, hub, news, people, settings }: GalleryParts): FastifyPluginAsync {
  const listSchema = {
    querystring: {
      type: 'object',
      properties: {
        limit: { type: 'integer', minimum: 1, maximum: MOST_LISTED, default: MOST_LISTED },
        offset: { type: 'integer', minimum: 0, maximum: MOST_ID, default: 0 },
        before: { type: 'integer', minimum: 1, maximum: MOST_ID },
      },
    },
  } as const;
  const schema = { params: idSchema };
  return async (app) => {
    app.get<{ Querystring: ListQuery }>('/api/photos', { schema: listSchema }, (request) =>
      news.read(() => listPhotos(database, userOf(request).id, request.query)),
    );

    app.get<{ Params: { id: number } }>('/api/photos/:id', { schema }, async (request) => {
      const row = orMissing(await findPhoto(database, userOf(request).id, request.params.id));
      return { ...news.view(row), bytes: row.bytes, face_boxes: await facesOfPhoto(database, row.id) };
    });

    app.get<{ Params: { id: number } }>('/api/photos/:id/similar', { schema }, async (request) => {
      const { id: userId } = userOf(request);
      const { id } = orMissing(await findPhoto(database, userId, request.params.id));
      const found = await findSimilar(database, { userId, photoId: id, model: settings.model, limit: 12 });
      return found.map(viewHit);
    });

    app.delete<{ Params: { id: number } }>('/api/photos/:id', { schema }, async (request, reply) => {
      const { id: userId } = userOf(request);
      const { id } = request.params;
      await files.remove(orMissing(await removePhoto(database, userId, id)));
      people.schedule(userId);
      hub.publish(userId, { type: 'photo:removed', id });
      return reply.code(204).send();
    });

    app.get<{ Params: { file: string } }>('/uploads/original/:file', async (request, reply) => {
      const { file } = request.params;
      if (!(await ownsFile(database, userOf(request).id, file))) orMissing(undefined);
      const { bytes, type } = orMissing(await files.readOriginal(file));
      return sendPicture(reply, type, bytes);
    });

    app.get<{ Params: { file: string } }>('/uploads/thumbnail/:file', async (request, reply) => {
      const { file } = request.params;
      if (!(await ownsFile(database, userOf(request).id, file))) orMissing(undefined);
      return sendPicture(reply, 'image/webp', orMissing(await files.readThumbnail(file)));
    });

    app.get<{ Params: { id: number } }>('/api/faces/:id/thumbnail', { schema }, async (request, reply) => {
      const face = orMissing(await findFace(database, userOf(request).id, request.params.id));
      return sendPicture(reply, 'image/webp', orMissing(await files.cutFace(face.file, face)));
    });
    await Promise.resolve();
  };
}

function sendPicture(reply: FastifyReply, type: string, bytes: Buffer): FastifyReply {
  return reply.type(type).header('cache-control', KEEP).send(bytes);
}
