import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { SIGLIP } from './fixtures.js';

/** Ids of `tokenizers/clip-bpe`; the end token is the highest, as in CLIP. */
const VOCABULARY = 2000;

export interface TextShape {
  /** `causal`: every place sees what is before it, pooled at the highest id (CLIP). `mean`: over all places (SigLIP). */
  readonly kind?: 'causal' | 'mean' | 'masked' | 'constant' | 'spoilt';
  readonly dimension?: number;
  /** A number fixes the axis. */
  readonly batch?: number | string;
  readonly length?: number | string;
  readonly type?: 'int64' | 'int32';
}

/** A text graph of a few weights; the same seed makes the same weights. */
function textGraph({
  kind = 'causal',
  dimension = 64,
  batch = 'b',
  length = 's',
  type = 'int64',
}: TextShape = {}): Buffer {
  const graph = new GraphWriter(77);
  const inputs = {
    input_ids: { dims: [batch, length], type },
    ...(kind === 'masked' ? { attention_mask: { dims: [batch, length], type } } : {}),
  };
  const states = graph.node('Gather', [graph.weight([VOCABULARY, 32], 1), 'input_ids']);
  let pooled: string;
  if (kind === 'mean' || kind === 'constant' || kind === 'spoilt') {
    pooled = graph.node('ReduceMean', [states], { axes: [1], keepdims: 0 });
  } else if (kind === 'masked') {
    const mask = graph.node('Unsqueeze', [graph.node('Cast', ['attention_mask'], { to: 1 }), graph.integers([2])]);
    const sum = graph.node('ReduceSum', [graph.node('Mul', [states, mask]), graph.integers([1])], { keepdims: 0 });
    pooled = graph.node('Div', [sum, graph.node('ReduceSum', [mask, graph.integers([1])], { keepdims: 0 })]);
  } else {
    const seen = graph.node('Tanh', [graph.node('CumSum', [states, graph.integers([1])])]);
    const end = graph.node('ArgMax', [graph.node('Cast', ['input_ids'], { to: 1 })], { axis: 1, keepdims: 1 });
    pooled = graph.node('GatherND', [seen, end], { batch_dims: 1 });
  }
  let embedding = graph.node('MatMul', [pooled, graph.weight([32, dimension], 0.3)]);
  if (kind === 'constant')
    embedding = graph.node('Add', [graph.node('Mul', [embedding, graph.scalar(0)]), graph.weight([dimension], 1)]);
  if (kind === 'spoilt') embedding = graph.node('Div', [embedding, graph.scalar(0)]);
  return graph.finish(inputs, { text_embeds: { from: embedding, dims: [batch, dimension], type: 'float32' } });
}

/** A model folder: pictures as siglip-tiny (64 numbers), texts by a graph of this file and the byte-level BPE. */
export async function writeTextModel(folder: string, shape: TextShape = {}): Promise<string> {
  const tokenizer = path.resolve(SIGLIP, '../../tokenizers/clip-bpe');
  await mkdir(path.join(folder, 'onnx'), { recursive: true });
  await cp(path.join(SIGLIP, 'onnx', 'vision_model.onnx'), path.join(folder, 'onnx', 'vision_model.onnx'));
  await cp(path.join(SIGLIP, 'preprocessor_config.json'), path.join(folder, 'preprocessor_config.json'));
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(path.join(tokenizer, file), path.join(folder, file));
  await writeFile(path.join(folder, 'onnx', 'text_model.onnx'), textGraph(shape));
  return folder;
}
