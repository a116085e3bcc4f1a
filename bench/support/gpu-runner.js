// One measurement of createRunner() with direct calls, as a process of its own:
// node gpu-runner.js <JSON: { options, method, inputs, warmUp, count }>; `inputs` are taken round and round.
// Prints JSON: what a second brought, photos or texts a run, and the devices that the models came to run on.
import { createRunner } from 'clip-runner';

const { options, method, inputs, warmUp, count } = JSON.parse(process.argv[2]);
const runner = createRunner(options);
const some = (start, total) => Array.from({ length: total }, (_, i) => inputs[(start + i) % inputs.length]);
await runner.start();
await runner[method](some(0, warmUp));
const runs = { count: 0, items: 0 };
runner.on('stage:measured', ({ stage, count: items }) => {
  if (stage !== 'run') return;
  runs.count += 1;
  runs.items += items;
});
const startedAt = performance.now();
await runner[method](some(warmUp, count));
const seconds = (performance.now() - startedAt) / 1000;
const devices = [...new Set(runner.stats().models.map(({ device }) => device))];
await runner.stop();
console.log(JSON.stringify({ perSecond: count / seconds, perRun: runs.items / Math.max(1, runs.count), devices }));
