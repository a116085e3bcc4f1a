import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { SIGLIP } from './fixtures.js';

/** Ids of `tokenizers/clip-bpe`; the end token is the highest, as in CLIP. */
const VOCABULARY = 2000;
const DOG = 410;

export interface TextShape {
  /**
   * `causal`: every place sees what is before it, pooled at the highest id (CLIP). `mean`: over all places (SigLIP).
   * `brittle`: causal, but what it gives for a text with the word "dog" is no number.
   */
  readonly kind?: 'causal' | 'mean' | 'masked' | 'constant' | 'spoilt' | 'brittle';
  readonly dimension?: number;
  /** A number fixes the axis. */
  readonly batch?: number | string;
  readonly length?: number | string;
  readonly type?: 'int64' | 'int32';
  readonly output?: 'float32' | 'float16';
  /** Of immich-app's repositories: `visual/`, `textual/`, ids named `text`, and the texts' cleaning in `config.json`. */
  readonly layout?: 'split' | 'immich';
}

/** A text graph of a few weights; the same seed makes the same weights. */
function textGraph({
  kind = 'causal',
  dimension = 64,
  batch = 'b',
  length = 's',
  type = 'int64',
  output = 'float32',
  layout = 'split',
}: TextShape = {}): Buffer {
  const ids = layout === 'immich' ? 'text' : 'input_ids';
  const graph = new GraphWriter(77);
  const inputs = {
    [ids]: { dims: [batch, length], type },
    ...(kind === 'masked' ? { attention_mask: { dims: [batch, length], type } } : {}),
  };
  const states = graph.node('Gather', [graph.weight([VOCABULARY, 32], 1), ids]);
  let pooled: string;
  if (['mean', 'constant', 'spoilt'].includes(kind)) {
    pooled = graph.node('ReduceMean', [states], { axes: [1], keepdims: 0 });
  } else if (kind === 'masked') {
    const mask = graph.node('Unsqueeze', [graph.node('Cast', ['attention_mask'], { to: 1 }), graph.integers([2])]);
    const sum = graph.node('ReduceSum', [graph.node('Mul', [states, mask]), graph.integers([1])], { keepdims: 0 });
    pooled = graph.node('Div', [sum, graph.node('ReduceSum', [mask, graph.integers([1])], { keepdims: 0 })]);
  } else {
    const seen = graph.node('Tanh', [graph.node('CumSum', [states, graph.integers([1])])]);
    const end = graph.node('ArgMax', [graph.node('Cast', [ids], { to: 1 })], { axis: 1, keepdims: 1 });
    pooled = graph.node('GatherND', [seen, end], { batch_dims: 1 });
  }
  if (kind === 'brittle') {
    const isDog = graph.node('Cast', [graph.node('Equal', [ids, graph.integers([DOG])])], { to: 1 });
    const hasDog = graph.node('ReduceMax', [isDog], { axes: [1], keepdims: 1 });
    pooled = graph.node('Div', [pooled, graph.node('Sub', [graph.scalar(1), hasDog])]);
  }
  const embedding = project(graph, pooled, { kind, dimension, output });
  return graph.finish(inputs, { text_embeds: { from: embedding, dims: [batch, dimension], type: output } });
}

function project(
  graph: GraphWriter,
  pooled: string,
  { kind, dimension, output }: Required<Pick<TextShape, 'kind' | 'dimension' | 'output'>>,
): string {
  let embedding = graph.node('MatMul', [pooled, graph.weight([32, dimension], 0.3)]);
  if (kind === 'constant')
    embedding = graph.node('Add', [graph.node('Mul', [embedding, graph.scalar(0)]), graph.weight([dimension], 1)]);
  if (kind === 'spoilt') embedding = graph.node('Div', [embedding, graph.scalar(0)]);
  if (output === 'float16') embedding = graph.node('Cast', [embedding], { to: 10 });
  return embedding;
}

/** A model folder: pictures as siglip-tiny (64 numbers), texts by a graph of this file and the byte-level BPE. */
export async function writeTextModel(folder: string, shape: TextShape = {}): Promise<string> {
  const tokenizer = path.resolve(SIGLIP, '../../tokenizers/clip-bpe');
  const isImmich = shape.layout === 'immich';
  const [vision, text] = isImmich ? ['visual/model', 'textual/model'] : ['onnx/vision_model', 'onnx/text_model'];
  for (const graph of [vision, text]) await mkdir(path.dirname(path.join(folder, graph)), { recursive: true });
  await cp(path.join(SIGLIP, 'onnx', 'vision_model.onnx'), path.join(folder, `${vision}.onnx`));
  await writeFile(path.join(folder, `${text}.onnx`), textGraph(shape));
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(path.join(tokenizer, file), path.join(folder, isImmich ? 'textual' : '', file));
  if (isImmich) {
    const preprocess = { size: [224, 224], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], resize_mode: 'squash' };
    const config = { embed_dim: 64, vision_cfg: {}, text_cfg: { tokenizer_kwargs: { clean: 'canonicalize' } } };
    await writeFile(path.join(folder, 'visual', 'preprocess_cfg.json'), JSON.stringify(preprocess));
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  } else {
    const preprocess = JSON.parse(await readFile(path.join(SIGLIP, 'preprocessor_config.json'), 'utf8')) as object;
    // The byte-level BPE is none of a SigLIP's, so the file must not say that this is one.
    const plain = { ...preprocess, image_processor_type: undefined, processor_class: undefined };
    await writeFile(path.join(folder, 'preprocessor_config.json'), JSON.stringify(plain));
  }
  return folder;
}
