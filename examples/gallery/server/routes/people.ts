import type { FastifyPluginAsync } from 'fastify';
import { userOf } from '../app.js';
import { findPerson, listPeople, photosOfPerson, renamePerson, type Person } from '../database/people.js';
import type { GalleryParts } from '../parts.js';
import { plainText } from '../plain-text.js';
import { orMissing } from '../refusal.js';
import { idSchema } from './ids.js';

const MOST_NAME = 100;

/** The people in one's photos. */
export function peopleRoutes({ database, hub, news }: GalleryParts): FastifyPluginAsync {
  const renameSchema = {
    params: idSchema,
    body: {
      type: 'object',
      required: ['name'],
      additionalProperties: false,
      properties: { name: { type: 'string', maxLength: MOST_NAME } },
    },
  } as const;
  return async (app) => {
    app.get('/api/people', async (request) => (await listPeople(database, userOf(request).id)).map(view));

    app.get<{ Params: { id: number } }>('/api/people/:id', { schema: { params: idSchema } }, async (request) => {
      const { id: userId } = userOf(request);
      const { id } = request.params;
      const person = orMissing(await findPerson(database, userId, id));
      const photos = await photosOfPerson(database, userId, id);
      return { ...view(person), photo_list: photos.map((row) => news.view(row)) };
    });

    app.patch<{ Params: { id: number }; Body: { readonly name: string } }>(
      '/api/people/:id',
      { schema: renameSchema },
      async (request) => {
        const { id: userId } = userOf(request);
        const { id } = request.params;
        const name = plainText(request.body.name);
        if (!(await renamePerson(database, userId, id, name))) orMissing(undefined);
        hub.publish(userId, { type: 'people' });
        return view(orMissing(await findPerson(database, userId, id)));
      },
    );
    await Promise.resolve();
  };
}

function view({ face_id, ...person }: Person): Omit<Person, 'face_id'> & { readonly thumbnail_url: string } {
  return { ...person, thumbnail_url: `/api/faces/${face_id}/thumbnail` };
}
