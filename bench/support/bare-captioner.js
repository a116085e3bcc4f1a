// A captioner and nothing else: `session.run` of the encoder, then of the decoder with a cache, the likeliest id at each step.
// No rules of sentences, no end before the last step: random weights never end a sentence by themselves.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { openSession } from './bare-session.js';

/**
 * A function `(pictures, newTokens)`: ids of `newTokens` steps for each row of the tensor `pictures`
 * (`[rows, 3, side, side]`), one array a row.
 */
export async function openCaptioner(folder, open = openSession) {
  const { text_config: text } = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8'));
  const encoder = await open(path.join(folder, 'onnx', 'vision_model.onnx'));
  const decoder = await open(path.join(folder, 'onnx', 'text_decoder_with_past_model.onnx'));
  const owns = decoder.inputNames.filter((name) => name.includes('.decoder.'));
  return async (pictures, newTokens) => {
    const [rows] = pictures.dims;
    let past = presentOf(await encoder.run({ [encoder.inputNames[0]]: pictures }));
    for (const name of owns) {
      const { dims } = past[name.replace('.decoder.', '.encoder.')];
      past[name] = new Tensor('float32', new Float32Array(), [rows, dims[1], 0, dims[3]]);
    }
    const sentences = Array.from({ length: rows }, () => []);
    for (let step = 0; step < newTokens; step++) {
      const last = sentences.map((ids) => BigInt(ids.at(-1) ?? text.bos_token_id));
      const made = await decoder.run({ input_ids: new Tensor('int64', BigInt64Array.from(last), [rows, 1]), ...past });
      const { data } = made.logits;
      const width = data.length / rows;
      for (const [row, ids] of sentences.entries()) ids.push(likeliest(data.subarray(row * width, (row + 1) * width)));
      past = { ...past, ...presentOf(made) };
    }
    return sentences;
  };
}

function presentOf(outputs) {
  const present = Object.entries(outputs).filter(([name]) => name.startsWith('present.'));
  return Object.fromEntries(present.map(([name, tensor]) => [name.replace('present.', 'past_key_values.'), tensor]));
}

function likeliest(scores) {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  return best;
}
