// As a gallery does it: the server LPUSHes jobs into Redis and waits for callbacks over HTTP; the runner does the rest.
// REDIS_URL=redis://127.0.0.1:6379/0 node examples/02-redis.js
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { createRunner, httpSink, redisQueue } from 'clip-runner';

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379/0';
const queueName = process.env.REDIS_QUEUE_NAME ?? 'example_photo_tasks';
const token = 'secret-of-server-and-runner';

// The gallery server: takes callbacks that carry the right token.
const callbacks = [];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (request.headers['x-internal-token'] !== token) return response.writeHead(401).end();
  callbacks.push({ path: request.url, body: JSON.parse(Buffer.concat(chunks).toString()) });
  return response.writeHead(200).end();
});
await once(server.listen(0, '127.0.0.1'), 'listening');

// The gallery server: new photos become jobs.
const redis = new Redis(url);
for (const [index, path] of ['chelsea.jpg', 'astronaut.jpg', 'no-such-photo.jpg'].entries()) {
  await redis.lpush(queueName, JSON.stringify({ photo_id: index + 1, user_id: 1, path, tasks: ['thumbnail', 'clip'] }));
}

// The runner, usually a process of its own (`clip-runner photos`).
const runner = createRunner({
  queue: redisQueue({ url, name: queueName, backoffBaseMs: 50 }),
  sink: httpSink({ baseUrl: `http://127.0.0.1:${server.address().port}`, token }),
  models: [{ label: 'tiny', name: './test/fixtures/models/siglip-tiny' }],
  roots: ['examples/photos'],
});
const settled = new Promise((resolve) => {
  let left = 3;
  const count = () => --left === 0 && resolve();
  runner.on('job:done', count);
  runner.on('job:buried', count);
});
await runner.start();
await settled;
await runner.stop();

for (const { path, body } of callbacks) console.log(path, body.modality, `${body.embedding.length} numbers`);
const [deadLetter] = await redis.lrange(`${queueName}_dlq`, 0, -1);
console.log('dead letter:', JSON.parse(deadLetter)._runner.reason, 'for', JSON.parse(deadLetter).path);

await redis.del(queueName, `${queueName}_dlq`);
await redis.quit();
server.close();
