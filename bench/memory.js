// npm run bench -- memory: whether the memory and the open files of `clip-runner photos` stay where they are for hours.
// Mixed photos (small, of 12 megapixels, with faces, broken) come without end. The slope of the memory of all its
// processes together is taken by least squares after a warm-up; samples are kept as JSON, and drawn as SVG.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPhotos } from './support/photos-command.js';
import { makePhotos } from './support/photos.js';
import { drawSeries } from './support/plot.js';
import { measureProcesses } from './support/process-tree.js';
import { seededRandom } from './support/random.js';
import { startBenchRedis } from './support/redis.js';
import { describeMachine, median, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const minutes = Number(process.env.BENCH_MINUTES ?? 30);
const warmUpMinutes = Number(process.env.BENCH_WARM_UP_MINUTES ?? Math.min(5, minutes / 4));
const seed = Number(process.env.BENCH_SEED ?? 1);
const SAMPLE_MS = 2000;
const PRINT_EVERY = 15;
/** Jobs that wait at a time, so that the runner is never idle. */
const AHEAD = 200;

const large = path.relative(
  root,
  await makePhotos(path.join(root, 'bench', '.cache'), path.join(root, 'examples', 'photos'), 4),
);
const files = ['test/fixtures/images', 'test/fixtures/images/bad', 'examples/demo-gallery/photos', large].flatMap(
  filesOf,
);
const redis = await startBenchRedis();
const runner = await startPhotos({
  root,
  redisUrl: redis.url,
  env: {
    CLIP_MODELS: 'demo=examples/demo-gallery/model',
    FACE_MODEL_NAME: 'examples/demo-gallery/faces',
    CAPTION_ENABLED: '1',
    CAPTION_MODEL_NAME: 'test/fixtures/models/blip-tiny',
    PROCESSING_EMBEDDING_DIM: '0',
    PROCESSING_FACE_EMBEDDING_DIM: '0',
    PROJECT_ROOT: root,
  },
});
const startedAt = performance.now();
const samples = [];
let pushed = 0;
try {
  const machine = describeMachine(root, ['onnxruntime-node', 'sharp']);
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
  console.log(
    `${files.length} files in random order (seed ${seed}), tasks clip, caption, face; ${minutes} minutes, ${warmUpMinutes} of them to warm up; one round, since it takes so long\n`,
  );
  const random = seededRandom(seed);
  while (minutesNow() < minutes) {
    await fillQueue(random);
    samples.push({ minute: minutesNow(), callbacks: runner.callbacks(), ...measureProcesses(runner.pid) });
    if (samples.length % PRINT_EVERY === 1) print(samples.at(-1));
    await Promise.race([sleep(SAMPLE_MS), runner.died]);
  }
  const deadLetters = await runner.redis.llen(`${runner.queue}_dlq`);
  report(machine, deadLetters);
} finally {
  await runner.stop();
  await redis.stop();
}

function filesOf(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => path.join(folder, name));
}

function minutesNow() {
  return (performance.now() - startedAt) / 60_000;
}

async function fillQueue(random) {
  const missing = AHEAD - (await runner.redis.llen(runner.queue));
  if (missing <= 0) return;
  const elements = Array.from({ length: missing }, () => {
    pushed += 1;
    const file = files[Math.floor(random() * files.length)];
    return JSON.stringify({ photo_id: pushed, user_id: 1, path: file, tasks: ['clip', 'face'] });
  });
  await runner.redis.lpush(runner.queue, ...elements);
}

function print({ minute, rssMiB, openFiles, callbacks, processes }) {
  console.log(
    `${minute.toFixed(1).padStart(5)} min  ${rssMiB.toFixed(0).padStart(5)} MiB in ${processes} processes  ${String(openFiles).padStart(4)} open files  ${callbacks} callbacks`,
  );
}

function report(machine, deadLetters) {
  const kept = samples.filter(({ minute }) => minute >= warmUpMinutes);
  const slope = slopeOf(kept.map(({ minute, rssMiB }) => [minute, rssMiB]));
  const fileSlope = slopeOf(kept.map(({ minute, openFiles }) => [minute, openFiles]));
  const rss = kept.map(({ rssMiB }) => rssMiB);
  const result = {
    slopeMiBPerMinute: slope,
    openFilesPerMinute: fileSlope,
    medianMiB: median(rss),
    peakMiB: Math.max(...rss),
    callbacks: runner.callbacks(),
    deadLetters,
  };
  console.log(
    `\nAfter the warm-up: ${slope.toFixed(3)} MiB a minute (goal: below 1), median ${result.medianMiB.toFixed(0)} MiB, peak ${result.peakMiB.toFixed(0)} MiB`,
  );
  console.log(
    `Open files: ${fileSlope.toFixed(3)} a minute. ${result.callbacks} callbacks, ${deadLetters} dead letters of ${pushed} jobs pushed.`,
  );
  const drawing = path.join(root, 'bench', 'results', 'memory.svg');
  mkdirSync(path.dirname(drawing), { recursive: true });
  writeFileSync(
    drawing,
    drawSeries(
      samples.map(({ minute, rssMiB }) => [minute, rssMiB]),
      {
        title: `clip-runner photos, all processes: ${slope.toFixed(2)} MiB a minute after minute ${warmUpMinutes}`,
        x: 'minutes',
        y: 'MiB resident',
      },
    ),
  );
  console.log(`Drawn: ${path.relative(root, drawing)}`);
  saveJson(root, 'memory', { machine, minutes, warmUpMinutes, seed, result, samples });
}

/** Of the line with the least squares through the points, per unit of x. */
function slopeOf(points) {
  const mean = (place) => points.reduce((sum, point) => sum + point[place], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
