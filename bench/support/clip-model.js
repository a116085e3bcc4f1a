// A CLIP of full size with random weights in the two forms that the sides of a bench read: torch's, and the graphs that
// tools/export makes of them.
import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pythonWith } from '../../scripts/python-venv.mjs';
import { outputOf } from './children.js';

const DTYPES = ['fp32', 'q8'];

/** Makes `vit-b-32` or `vit-l-14` once below `cache`; answers the folders of the graphs and of torch's weights. */
export async function makeClip(name, root, cache) {
  const graphs = path.join(cache, `clip-${name}`);
  const weights = `${graphs}-torch`;
  if (existsSync(path.join(graphs, 'onnx', 'vision_model_quantized.onnx'))) return { graphs, weights };
  console.log(`Making the model (random weights, the size of ${name}) …`);
  const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
  const tokenizer = path.join(root, 'test', 'fixtures', 'tokenizers', 'clip-bpe');
  const part = `${graphs}.part`;
  for (const folder of [graphs, part]) rmSync(folder, { recursive: true, force: true });
  await outputOf(python, [path.join('bench', 'peers', 'clip', 'make_model.py'), name, tokenizer, weights], root);
  const dtypes = ['--dtype', ...DTYPES];
  await outputOf(python, [path.join('tools', 'export', 'export_clip.py'), weights, part, ...dtypes], root);
  renameSync(part, graphs);
  return { graphs, weights };
}
