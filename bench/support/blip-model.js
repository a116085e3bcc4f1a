// A captioner of the size of BLIP-base with random weights in the two forms that the sides of a bench read: torch's, and the
// graphs that tools/export makes of them.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pythonWith } from '../../scripts/python-venv.mjs';

/** Makes the model once below `cache`; answers the folders of the graphs and of torch's weights. */
export async function makeBlip(root, cache) {
  const graphs = path.join(cache, 'blip-base');
  const weights = `${graphs}-torch`;
  if (existsSync(path.join(graphs, 'onnx', 'text_decoder_with_past_model.onnx'))) return { graphs, weights };
  console.log('Making the model (random weights, the size of BLIP-base) …');
  const python = await pythonWith(path.join('tools', 'export', 'requirements.txt'));
  const call = (...args) => {
    const { status } = spawnSync(python, args, { cwd: root, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`${args[0]} ended with ${status}`);
  };
  const tokenizer = path.join('test', 'fixtures', 'tokenizers', 'bert-wordpiece');
  rmSync(graphs, { recursive: true, force: true });
  call(path.join('bench', 'peers', 'captions', 'make_model.py'), tokenizer, weights);
  call(path.join('tools', 'export', 'export_blip.py'), weights, graphs, '--dtype', 'fp32');
  return { graphs, weights };
}
