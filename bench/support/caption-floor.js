// The floor of captions: sharp decodes and shrinks the next photos while bare sessions of the same graphs describe those before,
// the likeliest id at each step. No queue, no threads, no rules of sentences, no words.
// node caption-floor.js <model folder> <photo folder> <batch> <warm-up> <count> <new tokens>; prints `{ whole }` as JSON,
// photos/s from file to ids.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { openCaptioner } from './bare-captioner.js';
import { bestOfSessions } from './bare-session.js';
import { measureLoop } from './steady.js';

const [model, folder, ...numbers] = process.argv.slice(2);
const [batch, warmUp, count, newTokens] = numbers.map(Number);
/** Of BLIP's pictures. */
const SIDE = 384;
const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];
sharp.cache(false);
sharp.concurrency(1);
const files = readdirSync(folder)
  .sort()
  .map((name) => path.join(folder, name));

async function decode(index) {
  const bytes = await readFile(files[index % files.length]);
  return sharp(bytes).autoOrient().resize(SIDE, SIDE, { fit: 'fill' }).removeAlpha().raw().toBuffer();
}

function tensorOf(photos) {
  const plane = SIDE * SIDE;
  const values = new Float32Array(photos.length * 3 * plane);
  for (const [row, photo] of photos.entries()) {
    for (let i = 0; i < plane; i++) {
      for (let channel = 0; channel < 3; channel++) {
        values[(row * 3 + channel) * plane + i] = (photo[i * 3 + channel] / 255 - MEAN[channel]) / STD[channel];
      }
    }
  }
  return new Tensor('float32', values, [photos.length, 3, SIDE, SIDE]);
}

const decodeBatch = (first) => Promise.all(Array.from({ length: batch }, (_, i) => decode(first + i)));

const whole = await bestOfSessions(async (open) => {
  const describe = await openCaptioner(model, open);
  const run = (photos) => describe(tensorOf(photos), newTokens);
  return measureLoop({ batch, warmUp, count, decode: decodeBatch, run });
});
console.log(JSON.stringify({ whole }));
