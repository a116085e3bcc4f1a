// npm run bench -- gpu [folder of a face pack]: the suite on a GPU: CLIP in fp32 and fp16 at several batches beside a bare loop
// of `session.run`, photos with Redis and HTTP, texts, and faces where a pack is named. Without a GPU it says so and measures
// nothing. BENCH_DEVICE (cuda; cpu tries the bench itself), BENCH_ROUNDS (5), BENCH_PHOTOS (512), BENCH_BATCHES (1,8,32,64).
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { createRunner } from 'clip-runner';
import { outputOf } from './support/children.js';
import { measureCommand } from './support/command.js';
import { linkPack } from './support/face-pack.js';
import { makePhotos } from './support/photos.js';
import { startBenchRedis } from './support/redis.js';
import { describeMachine, median, printTable, saveJson } from './support/report.js';
import { addTextSide } from './support/text-side.js';
import { makeVit } from './support/vit.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const device = process.env.BENCH_DEVICE ?? 'cuda';
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 512);
const batches = (process.env.BENCH_BATCHES ?? '1,8,32,64').split(',').map(Number);
const largest = Math.max(...batches);

const missing = await whyMissing();
if (missing !== undefined) {
  console.log(`no GPU found: nothing measured\n${missing}`);
  process.exit(0);
}

const machine = describeMachine(root, ['onnxruntime-node', 'sharp', 'piscina']);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${nvidia()}, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
console.log(
  `ViT-B/32 with random weights on ${device}; ${count} photos of 12 megapixels a measurement, ${rounds} rounds interleaved\n`,
);

const model = makeVit('vit-b-32', cache);
makeVit('vit-b-32', cache, 'fp16');
addTextSide(model, path.join(root, 'test', 'fixtures', 'tokenizers', 'clip-bpe'));
const folder = await makePhotos(cache, path.join(root, 'examples', 'photos'));
const photos = readdirSync(folder)
  .sort()
  .map((name) => path.join(folder, name));
const pack = process.argv[2] === undefined ? undefined : linkPack(process.argv[2], cache);
const redis = await startBenchRedis();
const clip = { models: [{ label: 'bench', name: model }], device, strictDevice: true, tuning: 'off' };
const results = {};
try {
  for (const dtype of ['fp32', 'fp16']) {
    for (const batch of batches) await measureClip(dtype, batch);
  }
  await measureAll('Photos with Redis and HTTP, fp32', 'photos/s', {
    'clip-runner photos': () =>
      measureCommand({
        root,
        model,
        photos: folder,
        batch: largest,
        warmUp: 2 * largest,
        count,
        redisUrl: redis.url,
        dim: 512,
        device,
      }),
  });
  await measureAll('Texts', 'texts/s', {
    'createRunner, embedTexts': () =>
      ask({ ...clip, tasks: ['text'] }, 'embedTexts', ['a cat on the beach', 'two dogs in the snow'], largest),
  });
  if (pack !== undefined) {
    const faces = { tasks: ['face'], faceModel: pack.folder, faceDim: 0, device, strictDevice: true, tuning: 'off' };
    await measureAll('Faces', 'photos/s', { 'createRunner, detectFaces': () => ask(faces, 'detectFaces', photos, 8) });
  }
} finally {
  await redis.stop();
}
saveJson(root, 'gpu', { machine, gpu: nvidia(), device, rounds, count, results });

function measureClip(dtype, batch) {
  const graph = path.join(model, 'onnx', `vision_model${dtype === 'fp16' ? '_fp16' : ''}.onnx`);
  return measureAll(`CLIP ${dtype}, batches of ${batch}`, 'photos/s', {
    'floor (session.run, no decoding)': async () =>
      Number(await script('device-floor.js', graph, device, batch, Math.ceil(count / batch))),
    'createRunner, embedImages': () => ask({ ...clip, dtype }, 'embedImages', photos, batch),
  });
}

async function measureAll(title, unit, sides) {
  const rows = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(sides)) rows[name].push(await measure());
  }
  console.log(title);
  printTable(rows, unit);
  console.log('');
  results[title] = Object.fromEntries(
    Object.entries(rows).map(([name, rates]) => [name, { median: median(rates), rates }]),
  );
}

/** What a second brought; a model that came to run elsewhere would be another measurement. */
async function ask(options, method, inputs, batch) {
  const task = {
    options: { ...options, maxBatch: batch, maxTextBatch: batch },
    method,
    inputs,
    warmUp: 2 * batch,
    count,
  };
  const { perSecond, devices } = JSON.parse(await script('gpu-runner.js', JSON.stringify(task)));
  if (devices.some((used) => used !== device))
    throw new Error(`Expected all models on ${device}, but they run on ${devices.join(', ')}.`);
  return perSecond;
}

function script(name, ...args) {
  return outputOf(process.execPath, [path.join('bench', 'support', name), ...args], root);
}

/** Why a small model can't be loaded on the device; undefined where it can. In a child: sharp has other work to do here. */
async function whyMissing() {
  const tiny = path.join(root, 'test', 'fixtures', 'models', 'clip-tiny');
  const runner = createRunner({
    models: [{ label: 'tiny', name: tiny }],
    device,
    strictDevice: true,
    tuning: 'off',
    isolation: 'process',
  });
  try {
    await runner.start();
    return undefined;
  } catch (error) {
    if (error.code === 'DEVICE_UNAVAILABLE') return error.message;
    throw error;
  } finally {
    await runner.stop();
  }
}

function nvidia() {
  try {
    const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .replaceAll('\n', ' and ');
  } catch {
    return 'no nvidia-smi';
  }
}
