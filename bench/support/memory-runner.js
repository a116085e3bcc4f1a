// createRunner() with the embedded queue and sink, as a process of its own:
// node memory-runner.js <model folder> <photo folder> <batch> <warm-up> <count>; prints photos/s.
import { readdirSync } from 'node:fs';
import { createRunner, memoryQueue, memorySink } from 'clip-runner';
import { LEFT_OVER_BATCHES } from './steady.js';

const [model, folder, batchText, warmUpText, countText] = process.argv.slice(2);
const [batch, warmUp, count] = [batchText, warmUpText, countText].map(Number);
const files = readdirSync(folder).sort();

const queue = memoryQueue();
const runner = createRunner({
  queue,
  sink: memorySink(),
  models: [{ label: 'bench', name: model }],
  roots: [folder],
  maxBatch: batch,
  tuning: 'off',
});
for (let i = 0; i < warmUp + count + LEFT_OVER_BATCHES * batch; i++) {
  queue.push({ photo_id: i + 1, user_id: 1, path: files[i % files.length], tasks: ['clip'] });
}
let startedAt = 0;
let done = 0;
const finished = new Promise((resolve, reject) => {
  runner.on('job:buried', ({ error }) => reject(error));
  runner.on('job:done', () => {
    done += 1;
    if (done === warmUp) startedAt = performance.now();
    if (done === warmUp + count) resolve(performance.now());
  });
});
await runner.start();
const endedAt = await finished;
await runner.stop();
if (process.env.BENCH_STAGES) console.error(runner.stats().stages, runner.stats().batches);
console.log((count / (endedAt - startedAt)) * 1000);
