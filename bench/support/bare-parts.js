// What a job ["clip", "face"] can't do without, one after the other and nothing else: sharp decoding the photo in full, and
// `session.run` of the three graphs on tensors that are there already, with the session settings of the library.
// node bare-parts.js <CLIP folder> <face pack folder> <batch>; reads `{"files": [...], "faces": n}` from each line of the
// input, n being the faces of each photo, and answers with a line `{seconds, processorSeconds, parts}`.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

const [model, pack, batchText] = process.argv.slice(2);
const batch = Number(batchText);
sharp.cache(false);
sharp.concurrency(1);
const clip = await open(path.join(model, 'onnx', 'vision_model.onnx'), 224);
const detector = await open(path.join(pack, 'detection', 'model.onnx'), 640);
const recogniser = await open(path.join(pack, 'recognition', 'model.onnx'), 112);
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

/** A function that runs the graph over so many pictures in batches. */
async function open(file, side) {
  const session = await InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: os.availableParallelism(),
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const [name] = session.inputNames;
  const values = Float32Array.from({ length: 16 * 3 * side * side }, (_, i) => Math.sin(i / 97));
  return async (count, limit) => {
    for (let left = count; left > 0; left -= limit) {
      const rows = Math.min(left, limit, 16);
      const data = values.subarray(0, rows * 3 * side * side);
      await session.run({ [name]: new Tensor('float32', data, [rows, 3, side, side]) });
    }
  };
}

async function measure(work) {
  const startedAt = performance.now();
  const startedProcessor = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(startedProcessor);
  return { seconds: (performance.now() - startedAt) / 1000, processorSeconds: (user + system) / 1e6 };
}
