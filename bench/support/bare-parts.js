// What a job ["clip", "face"] can't do without, one after the other and nothing else: sharp decoding the photo in full, and
// `session.run` of the three graphs on tensors that are there already, with the session settings of the library.
// node bare-parts.js <CLIP folder> <face pack folder> <batch>; reads `{"files": [...], "faces": n}` from each line of the
// input, n being the faces of each photo, and answers with a line `{seconds, processorSeconds, parts}`.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { openBare } from './bare-session.js';

const [model, pack, batchText] = process.argv.slice(2);
const batch = Number(batchText);
sharp.cache(false);
sharp.concurrency(1);
const clip = await openBare(path.join(model, 'onnx', 'vision_model.onnx'), 224);
const detector = await openBare(path.join(pack, 'detection', 'model.onnx'), 640);
const recogniser = await openBare(path.join(pack, 'recognition', 'model.onnx'), 112);
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const { files, faces } = JSON.parse(line);
  const parts = {
    decode: await measure(async () => {
      for (const file of files) await sharp(readFileSync(file)).raw().toBuffer();
    }),
    clip: await measure(() => clip(files.length, batch)),
    detection: await measure(() => detector(files.length, 1)),
    recognition: await measure(() => recogniser(files.length * faces, batch)),
  };
  const sum = (name) => Object.values(parts).reduce((total, part) => total + part[name], 0);
  console.log(JSON.stringify({ seconds: sum('seconds'), processorSeconds: sum('processorSeconds'), parts }));
}

async function measure(work) {
  const startedAt = performance.now();
  const startedProcessor = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(startedProcessor);
  return { seconds: (performance.now() - startedAt) / 1000, processorSeconds: (user + system) / 1e6 };
}
