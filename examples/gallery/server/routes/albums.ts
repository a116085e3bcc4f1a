import type { FastifyPluginAsync } from 'fastify';
import { userOf } from '../app.js';
import { addAlbum, findAlbum, listAlbums, photosOfAlbum, removeAlbum } from '../database/albums.js';
import { ownPhotos } from '../database/photos.js';
import type { GalleryParts } from '../parts.js';
import { orMissing, Refusal } from '../refusal.js';
import { idSchema, readId } from './ids.js';

const MOST_PHOTOS = 100_000;

interface AlbumBody {
  readonly name: string;
  readonly description: string | null;
  readonly photo_ids: readonly unknown[];
}

/** Albums that tools make, `clip-runner people` among them (§3 of the contract). */
export function albumRoutes({ database, news }: GalleryParts): FastifyPluginAsync {
  const makeSchema = {
    body: {
      type: 'object',
      required: ['name', 'photo_ids'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 200 },
        description: { type: ['string', 'null'], maxLength: 10_000, default: '' },
        photo_ids: { type: 'array', maxItems: MOST_PHOTOS },
      },
    },
  } as const;
  const schema = { params: idSchema };
  return async (app) => {
    app.get('/api/albums', (request) => listAlbums(database, userOf(request).id));

    app.post<{ Body: AlbumBody }>('/api/albums', { schema: makeSchema }, async (request) => {
      const { id: userId } = userOf(request);
      const { name, description, photo_ids: given } = request.body;
      const photoIds = given.map((id) => {
        const read = readId(id);
        if (read === undefined) throw new Refusal(400, 'The ids of photos are whole numbers.');
        return read;
      });
      const own = await ownPhotos(database, userId, photoIds);
      if (!photoIds.every((id) => own.has(id))) throw new Refusal(403, 'A photo is not yours.');
      const id = await addAlbum(database, userId, { name, description: description ?? '', photoIds });
      return orMissing(await findAlbum(database, userId, id));
    });

    app.get<{ Params: { id: number } }>('/api/albums/:id', { schema }, async (request) => {
      const { id: userId } = userOf(request);
      const album = orMissing(await findAlbum(database, userId, request.params.id));
      const photos = await photosOfAlbum(database, userId, album.id);
      return { ...album, photo_list: photos.map((row) => news.view(row)) };
    });

    app.delete<{ Params: { id: number } }>('/api/albums/:id', { schema }, async (request, reply) => {
      if (!(await removeAlbum(database, userOf(request).id, request.params.id))) orMissing(undefined);
      return reply.code(204).send();
    });
    await Promise.resolve();
  };
}
