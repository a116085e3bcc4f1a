// A captioner of the size of BLIP-base with random weights in the two forms that the sides of a bench read: torch's, and the
// graphs that tools/export makes of them.
import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pythonWith } from '../../scripts/python-venv.mjs';
import { outputOf } from './children.js';

/** Makes the model once below `cache`; answers the folders of the graphs and of torch's weights. */
export async function makeBlip(root, cache) {
  const graphs = path.join(cache, 'blip-base');
  const weights = `${graphs}-torch`;
  if (existsSync(path.join(graphs, 'onnx', 'text_decoder_with_past_model.onnx'))) return { graphs, weights };
  console.log('Making the model (random weights, the size of BLIP-base) …');
  const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
  const tokenizer = path.join('test', 'fixtures', 'tokenizers', 'bert-wordpiece');
  const part = `${graphs}.part`;
  for (const folder of [graphs, part]) rmSync(folder, { recursive: true, force: true });
  await outputOf(python, [path.join('bench', 'peers', 'captions', 'make_model.py'), tokenizer, weights], root);
  const dtypes = ['--dtype', 'fp32'];
  await outputOf(python, [path.join('tools', 'export', 'export_blip.py'), weights, part, ...dtypes], root);
  renameSync(part, graphs);
  return { graphs, weights };
}
