import type { DeadLetterEntry } from 'clip-runner';
import type { FastifyPluginAsync } from 'fastify';
import { userOf } from '../app.js';
import { ownPhotos } from '../database/photos.js';
import { markWaiting } from '../database/tasks.js';
import type { GalleryParts } from '../parts.js';
import { orMissing } from '../refusal.js';
import { listDead } from '../queue-watch.js';
import { readId } from './ids.js';

const MOST_SHOWN = 100;

/** How long the queues are, and the dead letters of one's own photos: nobody sees those of others. */
export function queueRoutes(parts: GalleryParts): FastifyPluginAsync {
  const { queues, database, watch, news } = parts;
  const redriveSchema = {
    body: {
      type: 'object',
      additionalProperties: false,
      properties: { id: { type: 'string', minLength: 1, maxLength: 64 } },
    },
  } as const;
  return async (app) => {
    app.get('/api/queue', async (request) => {
      const [photos, texts, letters] = await Promise.all([
        queues.depth('photos'),
        queues.depth('texts'),
        ownLetters(parts, userOf(request).id),
      ]);
      return {
        kind: queues.kind,
        depths: { photos, texts },
        dead: letters.slice(-MOST_SHOWN).reverse().map(view),
        more_dead: Math.max(0, letters.length - MOST_SHOWN),
      };
    });

    // One letter by its id, or all of the user's.
    app.post<{ Body: { readonly id?: string } }>('/api/queue/redrive', { schema: redriveSchema }, async (request) => {
      const { id } = request.body;
      const letters = (await ownLetters(parts, userOf(request).id)).filter(
        (letter) => id === undefined || letter.id === id,
      );
      if (id !== undefined) orMissing(letters[0]);
      const photoIds = letters.map(({ photoId }) => Number(photoId));
      // What fails again from now on is to be seen.
      const changed = await markWaiting(database, photoIds);
      let redriven = 0;
      for (const letter of letters)
        redriven += await queues.deadLetters('photos').redrive({ id: letter.id }, { limit: 1 });
      watch.forget();
      for (const photo of changed) news.tell(photo.id);
      void watch.look();
      return { redriven };
    });
    await Promise.resolve();
  };
}

/** The first to die first. */
async function ownLetters({ queues, database }: GalleryParts, userId: number): Promise<readonly DeadLetterEntry[]> {
  const letters = await listDead(queues, 'photos', ({ photoId }) => readId(photoId) !== undefined);
  const own = await ownPhotos(
    database,
    userId,
    letters.map(({ photoId }) => Number(photoId)),
  );
  return letters.filter(({ photoId }) => own.has(Number(photoId)));
}

function view({ id, photoId, reason, error, attempts, failedAt }: DeadLetterEntry): object {
  return {
    id,
    photo_id: Number(photoId),
    reason,
    message: error?.message ?? '',
    attempts: attempts ?? null,
    failed_at: failedAt ?? null,
  };
}
