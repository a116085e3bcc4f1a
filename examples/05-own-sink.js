// A sink of one's own: one method. Here results go to a file of JSON lines instead of a server.
import { appendFile, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createRunner, memoryQueue } from 'clip-runner';

/** @returns {import('clip-runner').Sink} */
function fileSink(file) {
  return {
    name: path.basename(file),
    async deliver({ jobId, body }) {
      await appendFile(file, `${JSON.stringify({ photo: jobId, model: body.model, embedding: body.embedding })}\n`);
    },
  };
}

const file = path.join(tmpdir(), `embeddings-${process.pid}.jsonl`);
const queue = memoryQueue();
const runner = createRunner({
  queue,
  sink: fileSink(file),
  models: [{ label: 'tiny', name: './test/fixtures/models/siglip-tiny' }],
  roots: ['examples/photos'],
});
queue.push({ photo_id: 1, user_id: 1, path: 'camera.jpg', tasks: ['clip'] });

const done = new Promise((resolve, reject) => {
  runner.on('job:done', resolve);
  runner.on('job:buried', ({ error }) => reject(error));
});
await runner.start();
await done;
await runner.stop();

const [line] = (await readFile(file, 'utf8')).split('\n');
console.log('photo', JSON.parse(line).photo, 'written with', JSON.parse(line).embedding.length, 'numbers');
await rm(file);
