// npm run bench -- faces [folder of a face pack]: photos per second and memory of createRunner() with the task `face`
// with full and with reduced decoding, against insightface's own FaceAnalysis in Python, with the same ONNX files, and a floor of
// bare decoding and bare sessions;
// all run all the time and are asked in turn.
import path from 'node:path';
import { pythonWith } from '../scripts/python-venv.mjs';
import { linkPack } from './support/face-pack.js';
import { makeFacePhotos } from './support/face-photos.js';
import { startLineService } from './support/line-service.js';
import { compare as against, describeMachine, printGoals, printTable, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const peerFolder = path.join('bench', 'peers', 'face-analysis');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 64);
/** Of createRunner(), which share the cores; as many as by default where it is not set. */
const threads = process.env.BENCH_THREADS || undefined;
/** Of the recogniser in the floor; larger ones bring nothing on a processor. */
const FLOOR_BATCH = 8;
/** What docs/performance.md advises for a program with models in its own threads. */
const ADVISED = {
  flags: ['--max-semi-space-size=2', ...('transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer'])],
  env: {
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '4194304',
    MALLOC_TRIM_THRESHOLD_: '8388608',
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  },
};

const pack = linkPack(process.argv[2], cache);
/** In each photo; all the same to a detector that finds none. */
const FACES = pack.findsFaces ? [0, 1, 5, 20] : [0];
const python = await pythonWith(path.join(peerFolder, 'requirements.txt'));
const photos = {};
for (const faces of FACES) {
  const files = await makeFacePhotos({ cache, source: path.join(root, 'examples', 'photos'), faces, count: 8 });
  photos[faces] = Array.from({ length: count }, (_, i) => files[i % files.length]);
}
const startNode = (script, ...args) =>
  startLineService(
    process.execPath,
    [...ADVISED.flags, path.join('bench', 'support', script), pack.folder, ...args],
    root,
    ADVISED.env,
  );
const runnerThreads = threads === undefined ? [] : [threads];
const services = {
  'insightface FaceAnalysis': await startLineService(python, [path.join(peerFolder, 'analyse.py'), pack.flat], root),
  'createRunner, detectFaces': await startNode('face-runner.js', 'full', ...runnerThreads),
  "createRunner, faceDecode 'reduced'": await startNode('face-runner.js', 'reduced', ...runnerThreads),
  'floor (sharp + session.run)': await startNode('face-floor.js', String(FLOOR_BATCH)),
};
const [peer, ours, reduced, floor] = Object.keys(services);
try {
  const machine = describeMachine(root, ['onnxruntime-node', 'sharp']);
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
  console.log(
    `${pack.title}; threads of createRunner(): ${threads ?? 'by default'}; ${rounds} rounds of ${count} photos of 12 megapixels a side, interleaved\n`,
  );
  const results = {};
  for (const faces of FACES) {
    const rows = Object.fromEntries(Object.keys(services).map((name) => [name, []]));
    let answers = {};
    for (let round = 0; round <= rounds; round++) {
      for (const [name, service] of Object.entries(services)) {
        // The floor is told what createRunner has found.
        const crops = answers[ours]?.photos.map((found) => found.length);
        answers[name] = await service.ask({ files: photos[faces], faces: crops });
        const { seconds, processorSeconds } = answers[name];
        // The first round warms both up.
        if (round > 0) rows[name].push({ perSecond: count / seconds, processorMs: (processorSeconds / count) * 1000 });
      }
    }
    const same = Object.fromEntries(
      [ours, reduced].map((side) => [side, compare(answers[peer].photos, answers[side].photos)]),
    );
    console.log(`${faces} faces a photo`);
    for (const side of [ours, reduced]) console.log(`${side}: ${describeSameness(same[side])}`);
    printTable(column(rows, 'perSecond'), 'photos/s');
    printTable(column(rows, 'processorMs'), 'processor ms');
    console.log('');
    results[faces] = { rows, same };
  }
  // The floor opens each graph twice, so its memory says nothing.
  const memory = Object.fromEntries([peer, ours, reduced].map((name) => [name, services[name].peakMiB()]));
  console.log(
    `Peak memory: ${Object.entries(memory)
      .map(([name, mib]) => `${name} ${mib} MiB`)
      .join(', ')}`,
  );
  const goals = printGoals([
    ...[ours, reduced].flatMap((side) => [
      ...FACES.map((faces) => {
        const rates = column(results[faces].rows, 'perSecond');
        return { what: `${side}, ${faces} faces, photos/s`, ...against(rates[side], rates[peer]), atLeast: 1.5 };
      }),
      { what: `${side}, peak memory`, value: memory[side] / memory[peer], atMost: 1 },
    ]),
    ...FACES.map((faces) => {
      const rates = column(results[faces].rows, 'perSecond');
      return {
        what: `${ours}, ${faces} faces, photos/s to the floor`,
        ...against(rates[ours], rates[floor]),
        atLeast: 0.95,
      };
    }),
  ]);
  saveJson(root, 'faces', { machine, pack: pack.title, threads, rounds, count, results, memory, goals });
} finally {
  for (const service of Object.values(services)) await service.stop();
}

function column(rows, name) {
  return Object.fromEntries(Object.entries(rows).map(([side, entries]) => [side, entries.map((entry) => entry[name])]));
}

/** How far our faces are from theirs: pixels of the boxes' borders, and the least cosine. */
function compare(theirs, ours) {
  let [found, missing, added, pixels, cosine] = [0, 0, 0, 0, 1];
  for (const [index, faces] of theirs.entries()) {
    const rest = [...ours[index]];
    for (const face of faces) {
      const near = rest.findIndex(({ box }) => overlap(box, face.box) > 0.5);
      if (near < 0) {
        missing += 1;
        continue;
      }
      const [match] = rest.splice(near, 1);
      found += 1;
      // Ours are cut off at the photo's borders.
      const far = match.box.map((value, i) => (isAtBorder(value) ? 0 : Math.abs(value - face.box[i])));
      pixels = Math.max(pixels, ...far);
      cosine = Math.min(cosine, dot(vectorOf(match.embedding), vectorOf(face.embedding)));
    }
    added += rest.length;
  }
  return { found, missing, added, pixels, cosine };
}

function describeSameness({ found, missing, added, pixels, cosine }) {
  const faces = `${found} found by both, ${missing} by FaceAnalysis alone, ${added} by it alone`;
  return found === 0 ? faces : `${faces}; boxes within ${pixels.toFixed(3)} pixels, least cosine ${cosine.toFixed(6)}`;
}

function isAtBorder(value) {
  return value === 0 || value === 4000 || value === 3000;
}

function overlap(one, other) {
  const width = Math.max(0, Math.min(one[2], other[2]) - Math.max(one[0], other[0]));
  const height = Math.max(0, Math.min(one[3], other[3]) - Math.max(one[1], other[1]));
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  return (width * height) / (area(one) + area(other) - width * height);
}

function vectorOf(base64) {
  const { buffer, byteOffset, byteLength } = Buffer.from(base64, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

function dot(x, y) {
  return x.reduce((sum, value, index) => sum + value * y[index], 0);
}
