// The floor of faces: sharp decodes the next photo in full while `session.run` of the detector and of the recogniser see tensors
// that are there already, for as many faces as were found. No boxes, no crops, no threads, no callbacks.
// node face-floor.js <face pack folder> <batch>; reads `{"files": [...], "faces": [n of each]}` from each line of the input and
// answers with a line `{seconds, processorSeconds}`.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { openBare, openSession, SETTINGS } from './bare-session.js';

const [pack, batchText] = process.argv.slice(2);
const batch = Number(batchText);
sharp.cache(false);
sharp.concurrency(1);
/** Photos that the first question is tried with, to find the faster session settings. */
const TRIAL = 8;
const candidates = [];
for (const settings of SETTINGS) {
  const open = (file) => openSession(file, settings);
  candidates.push({
    detect: await openBare(path.join(pack, 'detection', 'model.onnx'), 640, open),
    recognise: await openBare(path.join(pack, 'recognition', 'model.onnx'), 112, open),
  });
}
let graphs;
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const { files, faces } = JSON.parse(line);
  graphs ??= await findFaster(files.slice(0, TRIAL), faces.slice(0, TRIAL));
  const startedAt = performance.now();
  const startedProcessor = process.cpuUsage();
  await loop(graphs, files, faces);
  const { user, system } = process.cpuUsage(startedProcessor);
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(JSON.stringify({ seconds, processorSeconds: (user + system) / 1e6 }));
}

async function findFaster(files, faces) {
  const tried = [];
  for (const one of candidates) {
    await loop(one, files, faces);
    const startedAt = performance.now();
    await loop(one, files, faces);
    tried.push({ one, ms: performance.now() - startedAt });
  }
  return tried.reduce((best, next) => (next.ms < best.ms ? next : best)).one;
}

async function loop({ detect, recognise }, files, faces) {
  let waiting = 0;
  let next = decode(files[0]);
  for (const [index, found] of faces.entries()) {
    await next;
    if (index + 1 < files.length) next = decode(files[index + 1]);
    await detect(1, 1);
    waiting += found;
    // Faces of many photos share a run.
    const full = waiting - (waiting % batch);
    await recognise(full, batch);
    waiting -= full;
  }
  await recognise(waiting, batch);
}

async function decode(file) {
  return sharp(await readFile(file))
    .raw()
    .toBuffer();
}
