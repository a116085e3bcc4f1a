// npm run bench -- captions: `describeImages` against transformers' `generate` in torch, with the same weights of the size of
// BLIP-base (random) and 12-megapixel JPEGs; each side a process of its own, in turn. BENCH_ROUNDS (5), BENCH_PHOTOS (24).
import path from 'node:path';
import { pythonWith } from '../scripts/python-venv.mjs';
import { makeBlip } from './support/blip-model.js';
import { outputOf } from './support/children.js';
import { makePhotos } from './support/photos.js';
import { describeMachine, median, printTable, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, 'bench', '.cache');
const peerFolder = path.join('bench', 'peers', 'captions');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_PHOTOS ?? 24);
const warmUp = Math.min(8, count);
/** Random weights never end a sentence by themselves; real ones do after about so many. */
const NEW_TOKENS = 12;

const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
const { graphs: model, weights } = await makeBlip(root, cache);
const photos = await makePhotos(cache, path.join(root, 'examples', 'photos'));

const torch = (batch) => side(python, path.join(peerFolder, 'generate.py'), weights, batch);
const ours = (batch) => side(process.execPath, path.join('bench', 'support', 'caption-runner.js'), model, batch);
const floor = (batch) => side(process.execPath, path.join('bench', 'support', 'caption-floor.js'), model, batch);
const sides = {
  'transformers, batch 1': () => torch(1),
  'transformers, batch 8': () => torch(8),
  'clip-runner, maxBatch 1': () => ours(1),
  'clip-runner, maxBatch 4': () => ours(4),
  'clip-runner, maxBatch 8': () => ours(8),
  'floor (sharp + session.run), batch 1': () => floor(1),
  'floor (sharp + session.run), batch 8': () => floor(8),
};

const machine = describeMachine(root, ['onnxruntime-node', 'sharp']);
console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
console.log(
  `BLIP-base, random weights, fp32, ${NEW_TOKENS} new tokens; ${count} photos of 12 megapixels a round after ${warmUp} to ` +
    `warm up, ${rounds} rounds interleaved\n`,
);
const results = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, measure] of Object.entries(sides)) {
    const measured = await measure();
    results[name].push(measured);
    // A round takes minutes.
    console.error(`round ${round + 1}, ${name}: ${measured.whole.toFixed(3)} photos/s`);
  }
}
console.log('From file to sentence');
printTable(column('whole'), 'photos/s');
console.log('\nIn the models alone');
printTable(column('model'), 'photos/s');
console.log('');
const [first] = Object.values(results);
for (const [name, measured] of Object.entries(results)) {
  if (measured[0].texts === undefined) continue;
  const equal = measured[0].texts.filter((text, index) => text === first[0].texts[index]).length;
  const perRun = measured[0].perRun === undefined ? '' : `, ${measured[0].perRun.toFixed(1)} photos a run`;
  const memory = median(measured.map((one) => one.memory));
  console.log(`${name}: peak memory ${memory} MiB${perRun}, ${equal} of ${count} sentences as in the first row`);
}
saveJson(root, 'captions', { machine, rounds, count, warmUp, newTokens: NEW_TOKENS, results });

function column(name) {
  const entries = Object.entries(results).filter(([, list]) => list[0][name] !== undefined);
  return Object.fromEntries(entries.map(([side, list]) => [side, list.map((one) => one[name])]));
}

async function side(program, script, folder, batch) {
  const clip = path.join('test', 'fixtures', 'models', 'siglip-tiny');
  const peerArgs = [script, folder, photos, batch, warmUp, count, NEW_TOKENS];
  return JSON.parse(await outputOf(program, program === python ? peerArgs : [...peerArgs, clip], root));
}
