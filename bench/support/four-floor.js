// The floor of four tasks: sharp decodes the next photo in full while `session.run` of each graph sees tensors that are there
// already: CLIP, BLIP with a cache over so many steps, the detector and the recogniser of faces, those of texts. No resizing,
// no boxes, no crops, no threads, no callbacks. node four-floor.js '<settings as JSON>'; prints photos/s.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { openCaptioner } from './bare-captioner.js';
import { bestOfSessions, openBare } from './bare-session.js';
import { measureLoop } from './steady.js';

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

console.log(await bestOfSessions(measure));

async function measure(open) {
  const embed = await openBare(path.join(clip, 'onnx', 'vision_model.onnx'), 224, open);
  const describe = await openCaptioner(blip, open);
  const embedText = await open(path.join(clip, 'onnx', 'text_model.onnx'));
  const detect = await openBare(path.join(faces, 'detection', 'model.onnx'), 640, open);
  const recognise = await openBare(path.join(faces, 'recognition', 'model.onnx'), 112, open);
  const graph = (name) => open(path.join(ocr, 'assets', name));
  const findLines = await graph('ch_PP-OCRv4_det_infer.onnx');
  const readLines = await graph('ch_PP-OCRv4_rec_infer.onnx');
  const lines = batch * linesAPhoto;
  return measureLoop({
    ...{ batch, warmUp, count, decode: decodeBatch },
    async run() {
      await embed(batch, batch);
      await describe(picture(batch, [384, 384]), newTokens);
      await embedText.run({ input_ids: ids(batch, newTokens + 2) });
      for (let photo = 0; photo < batch; photo++) {
        await detect(1, 1);
        await findLines.run({ [findLines.inputNames[0]]: picture(1, MAP) });
      }
      await recognise(batch * facesAPhoto, batch);
      if (lines > 0) await readLines.run({ [readLines.inputNames[0]]: picture(lines, LINE) });
    },
  });
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
