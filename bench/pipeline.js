// npm run bench -- pipeline: how near the whole way of a photo comes to a bare loop of sharp and session.run.
// ViT-B/32 with random weights; three sides in turn. BENCH_KIND (jpeg12, jpeg24, png or webp), BENCH_ROUNDS (5), BENCH_PHOTOS (96), BENCH_BATCHES (4,8,16: of these the floor's best is taken).
import path from 'node:path';
import { outputOf } from './support/children.js';
import { measureCommand } from './support/command.js';
import { makePhotos, photoKind } from './support/photos.js';
import { compare, describeMachine, median, printGoals, printTable, saveJson } from './support/report.js';
import { startBenchRedis } from './support/redis.js';
import { WARM_UP_BATCHES } from './support/steady.js';
import { makeVit } from './support/vit.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 96);
const batchesToTry = (process.env.BENCH_BATCHES ?? '4,8,16').split(',').map(Number);

const model = makeVit('vit-b-32', cache);
const { kind, title } = photoKind();
const photos = await makePhotos(cache, path.join(root, 'examples', 'photos'), undefined, kind);
const script = async (name, args) =>
  Number(await outputOf(process.execPath, [path.join('bench', 'support', name), ...args], root));

const machine = describeMachine(root, ['onnxruntime-node', 'sharp', 'piscina', 'ioredis', 'undici']);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);

const graph = path.join(model, 'onnx', 'vision_model.onnx');
const batches = [];
for (const batch of batchesToTry) {
  const rates = [];
  for (let i = 0; i < 3; i++) rates.push(await script('floor.js', [graph, photos, batch, batch, 48]));
  batches.push({ batch, rate: median(rates) });
}
const { batch } = batches.reduce((best, entry) => (entry.rate > best.rate ? entry : best));
const warmUp = WARM_UP_BATCHES * batch;
console.log(
  `Floor by batch: ${batches.map((entry) => `${entry.batch}: ${entry.rate.toFixed(1)}`).join(', ')} photos/s; best batch ${batch}`,
);
console.log(`ViT-B/32 fp32, ${title}, ${count} a round after ${warmUp} to warm up, ${rounds} rounds interleaved\n`);

const redis = await startBenchRedis();
const rows = {
  'floor (sharp + session.run)': [],
  'createRunner, memory queue': [],
  'clip-runner photos, Redis + HTTP': [],
};
const [floor, memory, command] = Object.values(rows);
try {
  for (let round = 0; round < rounds; round++) {
    floor.push(await script('floor.js', [graph, photos, batch, warmUp, count]));
    memory.push(await script('memory-runner.js', [model, photos, batch, warmUp, count]));
    command.push(await measureCommand({ root, model, photos, batch, warmUp, count, redisUrl: redis.url, dim: 512 }));
  }
} finally {
  await redis.stop();
}
printTable(rows, 'photos/s');
const goals = printGoals([{ what: 'photos/s to the floor', ...compare(command, floor), atLeast: 0.95 }]);
saveJson(root, kind === 'jpeg12' ? 'pipeline' : `pipeline-${kind}`, {
  machine,
  kind,
  batch,
  count,
  warmUp,
  rounds,
  rows,
  goals,
});
