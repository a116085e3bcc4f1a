// npm run bench -- clip-face [folder of a face pack]: what a job ["clip", "face"] costs against the sum of the bare run
// times of its three graphs and one decoding of the photo; both run all the time and are asked in turn.
import path from 'node:path';
import { linkPack } from './support/face-pack.js';
import { makeFacePhotos } from './support/face-photos.js';
import { startLineService } from './support/line-service.js';
import { compare, describeMachine, median, printGoals, printTable, saveJson } from './support/report.js';
import { makeVit } from './support/vit.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 32);
const batch = 8;
const GOAL = 1.15;

const pack = linkPack(process.argv[2], cache);
/** In each photo. A detector that finds none leaves nothing to recognise to either side. */
const FACES = pack.findsFaces ? [1, 5] : [0];
const model = makeVit('vit-b-32', cache);
const start = (script) =>
  startLineService(process.execPath, [path.join('bench', 'support', script), model, pack.folder, String(batch)], root);
const services = {
  'sum of the bare parts': await start('bare-parts.js'),
  'createRunner, memory queue': await start('clip-face-runner.js'),
};
try {
  const machine = describeMachine(root, ['onnxruntime-node', 'sharp']);
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
  console.log(
    `ViT-B/32 fp32 with random weights, and ${pack.title}; ${rounds} rounds of ${count} photos of 12 megapixels, interleaved\n`,
  );
  const results = {};
  for (const faces of FACES) {
    const names = await makeFacePhotos({ cache, source: path.join(root, 'examples', 'photos'), faces, count: 8 });
    const files = Array.from({ length: count }, (_, i) => names[i % names.length]);
    const rounded = [];
    for (let round = 0; round <= rounds; round++) {
      const answers = {};
      for (const [name, service] of Object.entries(services)) answers[name] = await service.ask({ files, faces });
      if (round > 0) rounded.push(answers); // The first one warms both up.
    }
    results[faces] = rounded;
    const decoded = rounded.map((answers) => answers['createRunner, memory queue'].decoded);
    console.log(
      `${faces} faces a photo; photos decoded per job: ${decoded.map((value) => value / count).join(', ')}; ` +
        `processor ms of the bare parts: ${describeParts(rounded)}`,
    );
    printTable(milliseconds(rounded, 'processorSeconds'), 'processor ms');
    printTable(milliseconds(rounded, 'seconds'), 'ms');
    console.log('');
  }
  const goals = printGoals(
    FACES.map((faces) => {
      const [bare, ours] = Object.values(milliseconds(results[faces], 'processorSeconds'));
      return { what: `${faces} faces, processor time to the bare parts`, ...compare(ours, bare), atMost: GOAL };
    }),
  );
  saveJson(root, 'clip-face', { machine, pack: pack.title, rounds, count, batch, results, goals });
} finally {
  for (const service of Object.values(services)) await service.stop();
}

/** Per photo, one number per round and side. */
function milliseconds(rounded, unit) {
  return Object.fromEntries(
    Object.keys(services).map((name) => [name, rounded.map((answers) => (answers[name][unit] / count) * 1000)]),
  );
}

function describeParts(rounded) {
  const parts = rounded.map((answers) => answers['sum of the bare parts'].parts);
  return Object.keys(parts[0])
    .map((part) => `${part} ${median(parts.map((one) => (one[part].processorSeconds / count) * 1000)).toFixed(1)}`)
    .join(', ');
}
