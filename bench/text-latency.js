// npm run bench -- text-latency: how long a person waits for a text while photos saturate the machine.
// ViT-B/32 with random weights, both sides, in one process; photos of 12 megapixels. Idle and loaded in turn.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRunner, memoryQueue, memorySink } from 'clip-runner';
import { makePhotos } from './support/photos.js';
import { describeMachine, median, saveJson } from './support/report.js';
import { addTextSide } from './support/text-side.js';
import { makeVit } from './support/vit.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_TEXTS ?? 60);

const model = makeVit('vit-b-32', cache);
addTextSide(model, path.join(root, 'test', 'fixtures', 'tokenizers', 'clip-bpe'));
const photos = await makePhotos(cache, path.join(root, 'examples', 'demo-gallery', 'photos'));
const files = readdirSync(photos).sort();

const queue = memoryQueue();
const runner = createRunner({
  queue,
  sink: memorySink(),
  models: [{ label: 'bench', name: model }],
  tasks: ['clip', 'text'],
  roots: [photos],
});
/** Time of each run of the image side, and when it ended. */
const runs = [];
runner.on('stage:measured', ({ stage, unit, ms, count: size }) => {
  if (stage === 'run' && unit === 'clip/bench') runs.push({ ms, size });
});
await runner.start();

const phrases = ['a cat on the beach', 'two dogs in the snow at night', 'my sister with a red umbrella in the rain'];
let asked = 0;

/** Waits for `count` texts, one after the other, with uneven pauses so that they meet batches at any point. */
async function waitForTexts() {
  const waits = [];
  for (let i = 0; i < count; i++) {
    await sleep((i * 37) % 150);
    const startedAt = performance.now();
    await runner.embedTexts([`${phrases[asked % phrases.length]} ${asked++}`]);
    waits.push(performance.now() - startedAt);
  }
  return waits;
}

let photoId = 0;
/** Keeps more photos waiting than a batch takes, until it is told to stop. */
async function withPhotos(work) {
  let isOver = false;
  const feed = (async () => {
    while (!isOver) {
      for (let i = queue.waiting().length; i < 64; i++) {
        photoId += 1;
        queue.push({ photo_id: photoId, user_id: 1, path: files[photoId % files.length], tasks: ['clip'] });
      }
      await sleep(20);
    }
  })();
  while (runs.length < 4) await sleep(20);
  runs.length = 0;
  const startedAt = performance.now();
  const waits = await work();
  // A few texts may be done before a batch of photos is.
  while (runs.length === 0) await sleep(20);
  const seconds = (performance.now() - startedAt) / 1000;
  const batches = [...runs];
  isOver = true;
  await feed;
  return { waits, batches, rate: batches.reduce((sum, { size }) => sum + size, 0) / seconds };
}

async function whenIdle() {
  while (runner.stats().jobs.inFlight > 0 || queue.waiting().length > 0) await sleep(50);
  runs.length = 0;
}

const percentile = (values, part) => [...values].sort((a, b) => a - b)[Math.ceil(values.length * part) - 1];

const machine = describeMachine(root, ['onnxruntime-node', 'sharp', 'piscina']);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
console.log(`ViT-B/32 fp32, both sides, ${count} texts a round, ${rounds} rounds, idle and loaded in turn\n`);
console.log('round  idle p50   p95  loaded p50   p95  batch p50   p95  photos/s  3 x idle p95 + batch');
const rows = [];
await waitForTexts();
for (let round = 1; round <= rounds; round++) {
  const idle = await waitForTexts();
  const { waits, batches, rate } = await withPhotos(waitForTexts);
  const ms = batches.map((batch) => batch.ms);
  const row = {
    idle: [percentile(idle, 0.5), percentile(idle, 0.95)],
    loaded: [percentile(waits, 0.5), percentile(waits, 0.95)],
    batch: [percentile(ms, 0.5), percentile(ms, 0.95)],
    rate,
  };
  row.limit = 3 * row.idle[1] + row.batch[0];
  rows.push(row);
  const cells = [...row.idle, ...row.loaded, ...row.batch, rate, row.limit].map((value) => value.toFixed(1));
  const widths = [8, 5, 10, 5, 9, 5, 8, 20];
  console.log(`${String(round).padStart(5)}  ${cells.map((cell, i) => cell.padStart(widths[i])).join('  ')}`);
  await whenIdle();
}
await runner.stop();
const [loaded, limit] = [median(rows.map((row) => row.loaded[1])), median(rows.map((row) => row.limit))];
const verdict = loaded < limit ? 'within' : 'ABOVE';
console.log(
  `\nMedians: a text under load, p95 ${loaded.toFixed(1)} ms, ${verdict} the limit of ${limit.toFixed(1)} ms.`,
);
saveJson(root, 'text-latency', { machine, count, rounds, rows });
