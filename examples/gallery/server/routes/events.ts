import type { ServerResponse } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import { userOf } from '../app.js';
import type { GalleryParts } from '../parts.js';
import { Refusal } from '../refusal.js';

const MOST_STREAMS = 8;
const BEAT_MS = 15_000;
/** A page that reads so slowly is cut off; it comes again and loads what it missed. */
const MOST_BUFFERED_BYTES = 1024 * 1024;

/** `GET /api/events`: server-sent events, as long as the page is open. */
export function eventRoutes({ hub }: GalleryParts): FastifyPluginAsync {
  return async (app) => {
    const streams = new Set<ServerResponse>();
    app.addHook('preClose', (done) => {
      for (const stream of streams) stream.end();
      done();
    });
    app.get('/api/events', (request, reply) => {
      const { id: userId } = userOf(request);
      if (hub.count(userId) >= MOST_STREAMS) throw new Refusal(429, 'Too many pages are open.');
      reply.hijack();
      const stream = reply.raw;
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) stream.setHeader(name, value);
      stream.writeHead(200, { 'content-type': 'text/event-stream' });
      const write = (text: string): void => {
        if (stream.writableLength > MOST_BUFFERED_BYTES) stream.destroy();
        else stream.write(text);
      };
      write('retry: 1000\n\n');
      streams.add(stream);
      const unsubscribe = hub.subscribe(userId, (event) =>
        write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
      );
      const beat = setInterval(() => write(': still here\n\n'), BEAT_MS);
      stream.once('close', () => {
        unsubscribe();
        clearInterval(beat);
        streams.delete(stream);
      });
    });
    await Promise.resolve();
  };
}
