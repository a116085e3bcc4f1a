// createRunner() with jobs ["clip", "face"] from the memory queue, as a process of its own:
// node clip-face-runner.js <CLIP folder> <face pack folder> <batch>. Reads `{"files": [...]}` from each line of the input and
// answers with a line `{seconds, processorSeconds, decoded}`.
import { createInterface } from 'node:readline';
import { createRunner, memoryQueue, memorySink } from 'clip-runner';

const [model, faceModel, batch] = process.argv.slice(2);
const queue = memoryQueue();
const runner = createRunner({
  queue,
  sink: memorySink(),
  models: [{ label: 'bench', name: model }],
  tasks: ['clip', 'face'],
  faceModel,
  device: 'cpu',
  maxBatch: Number(batch),
});
let onDone = () => undefined;
runner.on('job:done', () => onDone());
runner.on('job:buried', ({ error }) => {
  throw error;
});
await runner.start();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { files } = JSON.parse(line);
  const decodedBefore = runner.stats().images.decoded;
  const startedAt = performance.now();
  const startedProcessor = process.cpuUsage();
  await new Promise((resolve) => {
    let done = 0;
    onDone = () => ++done === files.length && resolve();
    files.forEach((file, i) => queue.push({ photo_id: i + 1, user_id: 1, path: file, tasks: ['clip', 'face'] }));
  });
  const { user, system } = process.cpuUsage(startedProcessor);
  const answer = {
    seconds: (performance.now() - startedAt) / 1000,
    processorSeconds: (user + system) / 1e6,
    decoded: runner.stats().images.decoded - decodedBefore,
  };
  if (process.env.BENCH_STAGES) console.error(runner.stats().stages, runner.stats().batches);
  console.log(JSON.stringify(answer));
}
await runner.stop();
