// The floor of four tasks: sharp decodes the next photo in full while `session.run` of each graph sees tensors that are there
// already: CLIP, BLIP with a cache over so many steps, the detector and the recogniser of faces, those of texts. No resizing,
// no boxes, no crops, no threads, no callbacks. node four-floor.js '<settings as JSON>'; prints photos/s.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { openBare, openSession } from './bare-session.js';

const { clip, blip, faces, ocr, photos, batch, newTokens, facesAPhoto, linesAPhoto, warmUp, count } = JSON.parse(
  process.argv[2],
);
/** What a photo of 4 : 3 becomes for the detector of texts, and a line of text for the recogniser. */
const MAP = [1504, 2016];
const LINE = [48, 320];
sharp.cache(false);
sharp.concurrency(1);

const pictures = new Map();
const files = readdirSync(photos)
  .sort()
  .map((name) => path.join(photos, name));
const embed = await openBare(path.join(clip, 'onnx', 'vision_model.onnx'), 224);
const embedText = await openSession(path.join(clip, 'onnx', 'text_model.onnx'));
const encoder = await openSession(path.join(blip, 'onnx', 'vision_model.onnx'));
const decoder = await openSession(path.join(blip, 'onnx', 'text_decoder_with_past_model.onnx'));
const detect = await openBare(path.join(faces, 'detection', 'model.onnx'), 640);
const recognise = await openBare(path.join(faces, 'recognition', 'model.onnx'), 112);
const graph = (name) => openSession(path.join(ocr, 'assets', name));
const findLines = await graph('ch_PP-OCRv4_det_infer.onnx');
const readLines = await graph('ch_PP-OCRv4_rec_infer.onnx');

await loop(warmUp);
const startedAt = performance.now();
await loop(count);
console.log((count / (performance.now() - startedAt)) * 1000);

async function loop(total) {
  let next = decodeBatch(0);
  for (let done = 0; done < total; done += batch) {
    await next;
    next = decodeBatch(done + batch);
    await embed(batch, batch);
    await describe(batch);
    for (let photo = 0; photo < batch; photo++) {
      await detect(1, 1);
      await findLines.run({ [findLines.inputNames[0]]: picture(1, MAP) });
    }
    await recognise(batch * facesAPhoto, batch);
    const lines = batch * linesAPhoto;
    if (lines > 0) await readLines.run({ [readLines.inputNames[0]]: picture(lines, LINE) });
  }
  await next;
}

function decodeBatch(start) {
  return Promise.all(
    Array.from({ length: batch }, (_, i) =>
      sharp(readFileSync(files[(start + i) % files.length]))
        .raw()
        .toBuffer(),
    ),
  );
}

/** Sentences of `newTokens` steps, and CLIP's vectors of them. */
async function describe(rows) {
  let past = presentOf(await encoder.run({ [encoder.inputNames[0]]: picture(rows, [384, 384]) }));
  for (const name of decoder.inputNames.filter((input) => input.includes('.decoder.'))) {
    const { dims } = past[name.replace('.decoder.', '.encoder.')];
    past[name] = new Tensor('float32', new Float32Array(), [rows, dims[1], 0, dims[3]]);
  }
  for (let step = 0; step < newTokens; step++) {
    const made = await decoder.run({ input_ids: ids(rows, 1), ...past });
    past = { ...past, ...presentOf(made) };
  }
  await embedText.run({ input_ids: ids(rows, newTokens + 2) });
}

function presentOf(outputs) {
  const present = Object.entries(outputs).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(present.map(([name, tensor]) => [name.replace('present.', 'past_key_values.'), tensor]));
}

function ids(rows, length) {
  return new Tensor('int64', new BigInt64Array(rows * length).fill(1n), [rows, length]);
}

/** Made once for each shape. */
function picture(rows, [height, width]) {
  const key = `${rows}x${height}x${width}`;
  if (!pictures.has(key)) {
    const values = Float32Array.from({ length: rows * 3 * height * width }, (_, i) => ((i % 97) - 48) / 48);
    pictures.set(key, new Tensor('float32', values, [rows, 3, height, width]));
  }
  return pictures.get(key);
}
