// npm run bench -- old-loop: the whole way of a photo, Redis and HTTP included, by `clip-runner photos` and by the Python loops
// that do the same: Pillow, processor and torch one photo at a time; onnxruntime one photo at a time; torch in batches. The
// weights are the same, random and of full size. BENCH_MODEL (vit-b-32 or vit-l-14), BENCH_KIND (jpeg12, jpeg24, png or webp),
// BENCH_ROUNDS (5), BENCH_PHOTOS.
import path from 'node:path';
import { packagesWith, pythonWith } from '../scripts/python-venv.mjs';
import { outputOf } from './support/children.js';
import { makeClip } from './support/clip-model.js';
import { outputAndMemory } from './support/memory-peak.js';
import { cosines, measureSide, vectorsOf } from './support/photo-side.js';
import { makePhotos, photoKind } from './support/photos.js';
import { startBenchRedis } from './support/redis.js';
import { compare, describeMachine, median, printGoals, printTable, saveJson } from './support/report.js';
import { LEFT_OVER_BATCHES, WARM_UP_BATCHES } from './support/steady.js';

/** `photos`: that a peer gets in a round; `more`: times as many for what is faster, so that it is measured for as long. */
const MODELS = {
  'vit-b-32': { dimension: 512, photos: 16, more: 6, fp32: 6, q8: 8 },
  'vit-l-14': { dimension: 768, photos: 8, more: 2, fp32: 1.6, q8: 2.5 },
};
/** Of the loops and the floor; clip-runner has as many photos in the batches of its threads together. */
const BATCH = 8;

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const peerFolder = path.join('bench', 'peers', 'old-loop');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const name = process.env.BENCH_MODEL ?? 'vit-b-32';
const model = MODELS[name];
if (model === undefined)
  throw new Error(`Expected BENCH_MODEL to be ${Object.keys(MODELS).join(' or ')}, but got ${name}`);
/** Whole batches, since a batch's callbacks come together. */
const count = Math.ceil(Number(process.env.BENCH_PHOTOS ?? model.photos) / BATCH) * BATCH;

const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
const packages = await packagesWith(path.join(peerFolder, 'requirements.txt'));
const { graphs, weights } = await makeClip(name, root, cache);
const { kind, title } = photoKind();
const photos = await makePhotos(cache, path.join(root, 'examples', 'photos'), undefined, kind);
const redis = await startBenchRedis();

const common = { root, redisUrl: redis.url, photos, tasks: ['clip'], leftOver: LEFT_OVER_BATCHES * BATCH };
const peer = (script, ...args) =>
  measureSide({
    ...common,
    command: [python, path.join(peerFolder, script), ...args],
    env: { PYTHONPATH: packages },
    warmUp: BATCH,
    count,
  });
const ours = (dtype, env = {}) =>
  measureSide({
    ...common,
    env: {
      CLIP_MODELS: `bench=${graphs}`,
      PROCESSING_EMBEDDING_DIM: String(model.dimension),
      CLIP_DTYPE: dtype,
      CAPTION_ENABLED: '0',
      FACE_ENABLED: '0',
      OCR_ENABLED: '0',
      ...env,
    },
    warmUp: WARM_UP_BATCHES * BATCH,
    count: count * model.more,
  });
const floor = async (graph, keep = 2.5) => {
  const args = [path.join(graphs, 'onnx', graph), photos, BATCH, BATCH, count * model.more, keep].map(String);
  const script = path.join(root, 'bench', 'support', 'floor.js');
  const { text, ...memory } = await outputAndMemory(process.execPath, [script, ...args], root);
  return { rate: Number(text), ...memory };
};
const sides = {
  'old loop (Pillow, torch)': () => peer('torch_loop.py', weights, '1'),
  'onnxruntime, one at a time': () => peer('onnxruntime_loop.py', graphs),
  [`torch, batches of ${BATCH}`]: () => peer('torch_loop.py', weights, String(BATCH)),
  'clip-runner photos, fp32': () => ours('fp32'),
  'clip-runner photos, q8': () => ours('q8'),
  'clip-runner photos, fp32, 2 threads': () => ours('fp32', { CLIP_THREADS: '2' }),
  'clip-runner photos, q8, 1 thread': () => ours('q8', { CLIP_THREADS: '1' }),
  'floor (sharp + session.run), fp32': () => floor('vision_model.onnx'),
  'floor (sharp + session.run), q8': () => floor('vision_model_quantized.onnx'),
  'floor that shrinks to the least, fp32': () => floor('vision_model.onnx', 1),
};

const machine = describeMachine(root, ['onnxruntime-node', 'sharp', 'piscina', 'ioredis', 'undici']);
machine.python = await pythonVersions();
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}; ` +
    machine.python,
);
console.log(
  `${name}, random weights; ${title}; ${count} a round for the loops, ${count * model.more} for clip-runner and ` +
    `the floor, after a warm-up; batches of ${BATCH}; ${rounds} rounds interleaved, each side started anew\n`,
);
const results = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
const vectors = {};
try {
  for (let round = 0; round < rounds; round++) {
    for (const [side, measure] of Object.entries(sides)) {
      const { callbacks = [], ...measured } = await measure();
      results[side].push(measured);
      vectors[side] ??= vectorsOf(callbacks);
      // A round takes minutes.
      console.error(`round ${round + 1}, ${side}: ${measured.rate.toFixed(2)} photos/s`);
    }
  }
} finally {
  await redis.stop();
}

const [old, onnxruntime, batched, fp32, q8, fp32InTwo, q8InOne, floorFp32] = Object.keys(sides);
printTable(column('rate'), 'photos/s');
for (const [property, unit] of [
  ['firstMs', 'ms to the first callback'],
  ['pss', 'MiB at the peak (PSS)'],
  ['rss', 'MiB at the peak (RSS)'],
]) {
  console.log('');
  printTable(column(property), unit);
}
const fidelity = {
  loops: describeCosines(old, fp32),
  q8: describeCosines(fp32, q8),
};
console.log(`\nCosine of the vectors, by photo: old loop and fp32 ${fidelity.loops}; fp32 and q8 ${fidelity.q8}`);
const ratio = (property, side, base) => compare(...[side, base].map((one) => column(property)[one]));
const goals = printGoals([
  { what: 'fp32, photos/s to the old loop', ...ratio('rate', fp32, old), atLeast: model.fp32 },
  { what: 'q8, photos/s to the old loop', ...ratio('rate', q8, old), atLeast: model.q8 },
  { what: 'fp32 (1 thread), photos/s to 2 threads', ...ratio('rate', fp32, fp32InTwo), atLeast: 0.95 },
  { what: 'q8 (2 threads), photos/s to 1 thread', ...ratio('rate', q8, q8InOne), atLeast: 1 },
  { what: 'fp32, photos/s to onnxruntime one at a time', ...ratio('rate', fp32, onnxruntime), atLeast: 2 },
  { what: 'fp32, photos/s to torch in batches', ...ratio('rate', fp32, batched), atLeast: 1 },
  { what: 'fp32, photos/s to the floor', ...ratio('rate', fp32, floorFp32), atLeast: 0.95 },
  { what: 'fp32, peak memory (PSS) to the old loop', ...ratio('pss', fp32, old), atMost: 0.6 },
  { what: 'fp32, time to the first callback to the old loop', ...ratio('firstMs', fp32, old), atMost: 0.3 },
]);
const suffix = kind === 'jpeg12' ? '' : `-${kind}`;
saveJson(root, `old-loop-${name}${suffix}`, { machine, name, kind, rounds, count, results, fidelity, goals });

/** One number per round of each side that has it. */
function column(property) {
  const entries = Object.entries(results).map(([side, list]) => [side, list.map((one) => one[property])]);
  return Object.fromEntries(entries.filter(([, values]) => values[0] !== undefined));
}

function describeCosines(left, right) {
  const found = cosines(vectors[left], vectors[right]);
  return `least ${found[0].toFixed(6)}, median ${median(found).toFixed(6)} of ${found.length}`;
}

async function pythonVersions() {
  const code =
    'import platform, importlib.metadata as m; print("Python ", platform.python_version(), ' +
    '*(f", {n} {m.version(n)}" for n in ("torch", "transformers", "onnxruntime", "pillow")), sep="")';
  return (await outputOf(python, ['-c', code], root)).trim();
}
