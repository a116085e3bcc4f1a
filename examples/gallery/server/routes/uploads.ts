import type { FastifyPluginAsync } from 'fastify';
import { userOf } from '../app.js';
import { addPhoto, findPhoto } from '../database/photos.js';
import type { GalleryParts } from '../parts.js';
import { plainText } from '../plain-text.js';
import { orMissing, Refusal } from '../refusal.js';

const MOST_NAME = 200;
/** Uploads whose bytes are in memory. */
const MOST_AT_A_TIME = 16;

/**
 * A photo comes as the body of `POST /api/photos?name=…`, with a type `image/…`. Other sites can't send such a request
 * without asking first, and are refused.
 */
export function uploadRoutes({ database, files, feeder, news, settings }: GalleryParts): FastifyPluginAsync {
  let underWay = 0;
  const schema = {
    querystring: { type: 'object', properties: { name: { type: 'string', maxLength: 1_000, default: '' } } },
  } as const;
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      /^image\/[\w.+-]+$/,
      { parseAs: 'buffer', bodyLimit: settings.maxUploadBytes },
      (_request, body, done) => done(null, body),
    );
    app.post<{ Querystring: { name: string } }>(
      '/api/photos',
      {
        schema,
        bodyLimit: settings.maxUploadBytes,
        onRequest: (_request, reply, done) => {
          if (underWay >= MOST_AT_A_TIME) {
            reply.header('retry-after', '1');
            done(new Refusal(503, 'Too many uploads at a time.'));
            return;
          }
          underWay += 1;
          reply.raw.once('close', () => (underWay -= 1));
          done();
        },
      },
      async (request, reply) => {
        const { id: userId } = userOf(request);
        const bytes = request.body;
        const checked = Buffer.isBuffer(bytes) ? await files.check(bytes) : undefined;
        if (!Buffer.isBuffer(bytes) || checked === undefined)
          throw new Refusal(415, 'This is no JPEG, PNG, WebP, GIF or AVIF of at most 100 megapixels.');
        const { extension, width, height } = checked;
        const file = await files.save(bytes, extension);
        const hasThumbnail = await files.makeThumbnail(file, bytes);
        const name = plainText(request.query.name.slice(0, MOST_NAME)) || file;
        const photo = { userId, file, name, bytes: bytes.length, width, height, tasks: settings.tasks };
        const id = await database.transaction((inside) => addPhoto(inside, photo, hasThumbnail));
        void feeder.feed();
        news.tell(id);
        const [view] = await news.read(async () => [orMissing(await findPhoto(database, userId, id))]);
        return reply.code(201).send(view);
      },
    );
    await Promise.resolve();
  };
}
