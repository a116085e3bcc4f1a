// Two photos through the embedded queue, one model, results in memory.
// node examples/01-hello.js [model: a local folder or a hub repository] [photo folder]
import { createRunner, memoryQueue, memorySink } from 'clip-runner';

const [model = './test/fixtures/models/siglip-tiny', photos = 'examples/photos'] = process.argv.slice(2);

const queue = memoryQueue();
const sink = memorySink();
const runner = createRunner({ queue, sink, models: [{ label: 'tiny', name: model }], roots: [photos] });

queue.push({ photo_id: 1, user_id: 1, path: 'chelsea.jpg', tasks: ['clip'] });
queue.push({ photo_id: 2, user_id: 1, path: 'rocket.jpg', tasks: ['clip'] });

const ended = new Promise((resolve) => {
  const count = () => runner.stats().jobs.done + runner.stats().jobs.buried === 2 && resolve();
  runner.on('job:done', count);
  runner.on('job:buried', count);
});
await runner.start();
await ended;
await runner.stop();

for (const { path, body } of sink.deliveries) console.log(path, body.model, `${body.embedding.length} numbers`);
