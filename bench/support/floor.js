// The floor: a bare loop of sharp and `session.run`, with the next batch decoding while the model runs. No queue, no
// threads, no callbacks, no exact resampling: what a careful script could reach on this machine, with onnxruntime's own session
// settings or with the library's, whichever are faster.
// Run as a process of its own: node floor.js <model file> <photo folder> <batch> <warm-up> <count> [keep]; prints photos/s.
// `keep`: how many times the model's side the decoder leaves of a photo's shorter side. 2.5 (the default) is what clip-runner
// keeps, for the sake of the vectors: the decoder then makes a sixteenth of the pixels of 12 megapixels. With 1 it makes a
// sixty-fourth, in a quarter less time.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { bestOfSessions } from './bare-session.js';
import { measureLoop } from './steady.js';

const [model, folder, batchText, warmUpText, countText, keepText = '2.5'] = process.argv.slice(2);
const [batch, warmUp, count, keep] = [batchText, warmUpText, countText, keepText].map(Number);
sharp.cache(false);
sharp.concurrency(1);

const files = readdirSync(folder)
  .sort()
  .map((name) => path.join(folder, name));
const mean = [0.48145466, 0.4578275, 0.40821073];
const std = [0.26862954, 0.26130258, 0.27577711];
const side = 224;
const decodedSide = Math.round(side * keep);

async function decode(index) {
  const bytes = await readFile(files[index % files.length]);
  const size = { fit: 'cover', kernel: 'cubic' };
  return sharp(bytes).autoOrient().resize(decodedSide, decodedSide, size).removeAlpha().raw().toBuffer();
}

function fill(pixels, data, offset) {
  const plane = side * side;
  for (let i = 0; i < plane; i++) {
    // The nearest pixel: how well it is resized is not the point.
    const from = Math.floor(Math.floor(i / side) * keep) * decodedSide + Math.floor((i % side) * keep);
    for (let channel = 0; channel < 3; channel++) {
      pixels[offset + channel * plane + i] = (data[from * 3 + channel] / 255 - mean[channel]) / std[channel];
    }
  }
}

const decodeBatch = (start) => Promise.all(Array.from({ length: batch }, (_, i) => decode(start + i)));

async function run(session, images) {
  const pixels = new Float32Array(batch * 3 * side * side);
  images.forEach((image, i) => fill(pixels, image, i * 3 * side * side));
  const { image_embeds: embeddings } = await session.run({
    pixel_values: new Tensor('float32', pixels, [batch, 3, side, side]),
  });
  for (let row = 0; row < batch; row++) {
    const vector = embeddings.data.subarray(row * embeddings.dims[1], (row + 1) * embeddings.dims[1]);
    const norm = Math.hypot(...vector);
    vector.map((value) => value / norm);
  }
}

const rate = await bestOfSessions(async (open) => {
  const session = await open(model);
  return measureLoop({ batch, warmUp, count, decode: decodeBatch, run: (images) => run(session, images) });
});
console.log(rate);
