// The text side of a CLIP model of full size with random weights, beside the image side of vit.js.
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { GraphWriter, writeOnce } from './onnx-writer.js';
import { encoderLayers, layerNorm } from './vit.js';

/** ViT-B/32's own sizes; the vocabulary is as large as CLIP's, though the tokenizer at hand uses the first ids only. */
const SIZE = { vocabulary: 49_408, length: 77, width: 512, layers: 12, heads: 8, embedding: 512 };

/** Adds the text graph and a tokenizer to a model's folder, once. */
export function addTextSide(folder, tokenizer) {
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(path.join(tokenizer, name), path.join(folder, name));
  writeOnce(path.join(folder, 'onnx', 'text_model.onnx'), () => textGraph(SIZE));
}

function textGraph({ vocabulary, length, width, layers, heads, embedding }) {
  const graph = new GraphWriter(20261);
  const shape = graph.node('Shape', ['input_ids']);
  const count = graph.node('Slice', [shape, graph.integers([1]), graph.integers([2])]);
  const positions = graph.node('Slice', [graph.weight([length, width], 0.1), graph.integers([0]), count]);
  const words = graph.node('Gather', [graph.weight([vocabulary, width], 0.5), 'input_ids']);
  const square = graph.node('Concat', [count, count], { axis: 0 });
  const one = graph.node('Squeeze', [graph.integers([1])]);
  const mask = graph.node('Trilu', [graph.node('Expand', [graph.scalar(-1e4), square]), one], { upper: 1 });
  const x = encoderLayers(graph, graph.node('Add', [words, positions]), { width, layers, heads, mask });
  // The end token has the highest id.
  const end = graph.node('ArgMax', [graph.node('Cast', ['input_ids'], { to: 1 })], { axis: 1, keepdims: 1 });
  const pooled = graph.node('GatherND', [layerNorm(graph, x, width), end], { batch_dims: 1 });
  const projected = graph.node('MatMul', [pooled, graph.weight([width, embedding])]);
  return graph.finish(
    { input_ids: { dims: ['batch_size', 'sequence_length'], type: 'int64' } },
    { text_embeds: { from: projected, dims: ['batch_size', embedding] } },
  );
}
