// A backend of one's own: direct calls without a queue. Requests that come together share batches and threads.
import Fastify from 'fastify';
import { createRunner, RunnerError } from 'clip-runner';

const runner = createRunner({ models: [{ label: 'tiny', name: './test/fixtures/models/siglip-tiny' }] });
await runner.start();

const app = Fastify({ bodyLimit: 20 * 1024 * 1024 });
// Pictures only: a text would be taken for the path of a file on this machine.
app.removeAllContentTypeParsers();
app.addContentTypeParser(/^image\//, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.post('/embed', async (request, reply) => {
  if (!Buffer.isBuffer(request.body)) return reply.code(415).send({ error: 'send a picture as image/…' });
  const [embedding] = await runner.embedImages([request.body], { onError: 'return' });
  if (embedding instanceof RunnerError) {
    // `never`: the picture is at fault; else this service is, and the client may come again.
    return reply.code(embedding.retry === 'never' ? 422 : 503).send({ error: embedding.code });
  }
  return { embedding: Array.from(embedding) };
});
app.addHook('onClose', () => runner.stop());

await app.listen({ port: Number(process.env.PORT ?? 0), host: '127.0.0.1' });
console.log(`POST a picture: curl --data-binary @photo.jpg -H 'content-type: image/jpeg' ${app.listeningOrigin}/embed`);

process.once('SIGTERM', () => void app.close());
process.once('SIGINT', () => void app.close());
