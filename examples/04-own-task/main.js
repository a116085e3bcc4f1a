// Runs a task of one's own beside (or, as here, without) the built-in ones.
import { createRunner, memoryQueue, memorySink } from 'clip-runner';
import averageColor from './average-color.js';

const queue = memoryQueue();
const sink = memorySink();
const runner = createRunner({ queue, sink, tasks: [averageColor], roots: ['examples/photos'] });

const photos = ['brick.jpg', 'hubble.jpg', 'chelsea.jpg'];
photos.forEach((path, index) => queue.push({ photo_id: index + 1, user_id: 1, path, tasks: ['average-color'] }));

const ended = new Promise((resolve) => {
  const count = () => runner.stats().jobs.done + runner.stats().jobs.buried === photos.length && resolve();
  runner.on('job:done', count);
  runner.on('job:buried', count);
});
await runner.start();
await ended;
await runner.stop();

for (const { jobId, body } of sink.deliveries) console.log(photos[jobId - 1], body.ml_result.average_color);
