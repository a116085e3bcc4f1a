// createRunner() over the memory queue and simulated devices, as a process of its own:
// node runner.js <bundle of build.js> <JSON: { shape, devices, isolation, batch, warmUp, count, singles }>;
// prints JSON: photos per second, photos per batch, and for each of `singles` photos on an idle runner the milliseconds
// from its push to its callback.
import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [bundle, text] = process.argv.slice(2);
const { shape, devices, isolation, batch, warmUp, count, singles } = JSON.parse(text);

// A host with eight devices has at least as many cores; here their threads only wait, so that fewer are enough.
const cores = os.availableParallelism();
os.availableParallelism = () => Math.max(cores, devices);
syncBuiltinESMExports();
const { createRunner, memoryQueue, memorySink } = await import(pathToFileURL(bundle).href);

/** @type {import('clip-runner').Task} */
const task = {
  name: 'device',
  input: 'image',
  module: `file:///simulated-device?${new URLSearchParams(shape)}`,
  open: () => [],
  deliver: (value, job, { task, label }) => [
    { jobId: job.id, unit: `${task}/${label}`, path: `/photos/${job.id}`, body: value },
  ],
};
const jobs = {
  name: 'device',
  parse(element) {
    const { id } = JSON.parse(element);
    return { type: 'device', id, tasks: ['device'], input: { kind: 'image', path: id }, fields: {} };
  },
};

let delivered = 0;
let onDelivered = () => undefined;
const queue = memoryQueue({ jobs });
const sink = memorySink({
  maxDeliveries: 1,
  respond() {
    delivered += 1;
    onDelivered(delivered);
  },
});
const runner = createRunner({
  ...{ queue, sink, isolation, tasks: [task], threads: devices, maxBatch: batch },
  decodeConcurrency: shape.decoders,
});
runner.on('job:buried', ({ error }) => {
  throw error;
});
const until = (total) =>
  new Promise((resolve) => (onDelivered = (done) => done === total && resolve(performance.now())));

await runner.start();
let pushed = 0;
const element = () => ({ id: String(++pushed) });
const singleMs = [];
for (let i = 0; i < singles; i++) {
  await sleep(40);
  const arrived = until(delivered + 1);
  const pushedAt = performance.now();
  queue.push(element());
  singleMs.push((await arrived) - pushedAt);
}
// More than is measured, so that nothing runs dry at the end.
const before = { delivered, ...runner.stats().batches };
const total = warmUp + count + 8 * batch * devices;
let startedAt = 0;
let endedAt = 0;
const all = new Promise((resolve) => {
  onDelivered = (done) => {
    if (done === before.delivered + warmUp) startedAt = performance.now();
    if (done === before.delivered + warmUp + count) endedAt = performance.now();
    if (done === before.delivered + total) resolve();
  };
});
queue.push(...Array.from({ length: total }, element));
await all;
const after = runner.stats().batches;
await runner.stop();
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({
    perSecond: (count / (endedAt - startedAt)) * 1000,
    before,
    after,
    processorMs: (user + system) / 1000 / pushed,
    singleMs,
  }),
);
