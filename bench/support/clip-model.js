// A CLIP of full size with random weights in the two forms that the sides of a bench read: torch's, and the graphs that
// tools/export makes of them.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pythonWith } from '../../scripts/python-venv.mjs';

const DTYPES = ['fp32', 'q8'];

/** Makes `vit-b-32` or `vit-l-14` once below `cache`; answers the folders of the graphs and of torch's weights. */
export async function makeClip(name, root, cache) {
  const graphs = path.join(cache, `clip-${name}`);
  const weights = `${graphs}-torch`;
  if (existsSync(path.join(graphs, 'onnx', 'vision_model_quantized.onnx'))) return { graphs, weights };
  console.log(`Making the model (random weights, the size of ${name}) …`);
  const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
  const call = (...args) => {
    const { status } = spawnSync(python, args, { cwd: root, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`${args[0]} ended with ${status}`);
  };
  const tokenizer = path.join(root, 'test', 'fixtures', 'tokenizers', 'clip-bpe');
  rmSync(graphs, { recursive: true, force: true });
  call(path.join('bench', 'peers', 'clip', 'make_model.py'), name, tokenizer, weights);
  call(path.join('tools', 'export', 'export_clip.py'), weights, graphs, '--dtype', ...DTYPES);
  return { graphs, weights };
}
