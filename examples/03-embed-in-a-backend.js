// A backend of one's own: direct calls without a queue. Requests that come together share batches and threads.
import Fastify from 'fastify';
import { createRunner, RunnerError } from 'clip-runner';

const runner = createRunner({ models: [{ label: 'tiny', name: './test/fixtures/models/siglip-tiny' }] });
await runner.start();

const app = Fastify({ bodyLimit: 20 * 1024 * 1024 });
app.addContentTypeParser(/^image\//, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.post('/embed', async (request, reply) => {
  const [embedding] = await runner.embedImages([request.body], { onError: 'return' });
  if (embedding instanceof RunnerError)
    return reply.code(422).send({ error: embedding.code, detail: embedding.message });
  return { embedding: Array.from(embedding) };
});
app.addHook('onClose', () => runner.stop());

await app.listen({ port: Number(process.env.PORT ?? 0), host: '127.0.0.1' });
console.log(`POST a picture: curl --data-binary @photo.jpg -H 'content-type: image/jpeg' ${app.listeningOrigin}/embed`);

process.once('SIGTERM', () => void app.close());
process.once('SIGINT', () => void app.close());
