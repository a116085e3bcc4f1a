// A CLIP image encoder of full size with random weights, in the folder layout of the hub's exports.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GraphWriter, writeOnce } from './onnx-writer.js';

const SIZES = {
  'vit-b-32': { patch: 32, width: 768, layers: 12, heads: 12, embedding: 512 },
  'vit-l-14': { patch: 14, width: 1024, layers: 24, heads: 16, embedding: 768 },
};

/** Makes the model once below `cache` and answers its folder. `dtype`: `fp32`, or `fp16` beside it. */
export function makeVit(name, cache, dtype = 'fp32') {
  const folder = path.join(cache, name);
  const isHalf = dtype === 'fp16';
  const file = path.join(folder, 'onnx', `vision_model${isHalf ? '_fp16' : ''}.onnx`);
  if (existsSync(file)) return folder;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ model_type: 'clip', projection_dim: SIZES[name].embedding }),
  );
  writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify(PREPROCESSOR));
  writeOnce(file, () => visionGraph(SIZES[name], isHalf));
  return folder;
}

const PREPROCESSOR = {
  image_processor_type: 'CLIPImageProcessor',
  do_resize: true,
  size: { shortest_edge: 224 },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

function visionGraph({ patch, width, layers, heads, embedding }, isHalf) {
  const graph = new GraphWriter(20260, { isHalf });
  const side = 224 / patch;
  const tokens = side * side + 1;
  const patches = graph.node('Conv', ['pixel_values', graph.weight([width, 3, patch, patch], 0.03)], {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  const flat = graph.node('Reshape', [patches, graph.integers([0, width, side * side])]);
  const rows = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const batch = graph.node('Slice', [graph.node('Shape', ['pixel_values']), graph.integers([0]), graph.integers([1])]);
  const classToken = graph.node('Expand', [
    graph.weight([1, 1, width], 0.5),
    graph.node('Concat', [batch, graph.integers([1, width])], { axis: 0 }),
  ]);
  let x = layerNorm(
    graph,
    graph.node('Add', [graph.node('Concat', [classToken, rows], { axis: 1 }), graph.weight([tokens, width], 0.1)]),
    width,
  );

  x = encoderLayers(graph, x, { width, layers, heads });
  // As exporters write `x[:, 0]`.
  const first = graph.node('Gather', [x, graph.node('Squeeze', [graph.integers([0])])], { axis: 1 });
  const projected = graph.node('MatMul', [layerNorm(graph, first, width), graph.weight([width, embedding])]);
  return graph.finish(
    { pixel_values: { dims: ['batch_size', 3, 224, 224], type: graph.type } },
    { image_embeds: { from: projected, dims: ['batch_size', embedding], type: graph.type } },
  );
}

export function layerNorm(graph, x, width) {
  return graph.node('LayerNormalization', [x, graph.weight([width], 0.02, 1), graph.weight([width])], {
    axis: -1,
    epsilon: 1e-5,
  });
}

/** Transformer layers as CLIP has them on both sides. `mask`: added to the scores; texts look only backwards. */
export function encoderLayers(graph, x, { width, layers, heads, mask }) {
  const linear = (y, from, to) =>
    graph.node('Add', [graph.node('MatMul', [y, graph.weight([from, to])]), graph.weight([to])]);
  for (let layer = 0; layer < layers; layer++) {
    const h = layerNorm(graph, x, width);
    const split = (perm) => {
      const projected = graph.node('Reshape', [linear(h, width, width), graph.integers([0, 0, heads, width / heads])]);
      return graph.node('Transpose', [projected], { perm });
    };
    const [q, k, v] = [split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])];
    const scores = graph.node('Mul', [graph.node('MatMul', [q, k]), graph.scalar((width / heads) ** -0.5)]);
    const seen = mask === undefined ? scores : graph.node('Add', [scores, mask]);
    const mixed = graph.node('MatMul', [graph.node('Softmax', [seen], { axis: -1 }), v]);
    const merged = graph.node('Reshape', [
      graph.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
      graph.integers([0, 0, width]),
    ]);
    x = graph.node('Add', [x, linear(merged, width, width)]);
    const wide = linear(layerNorm(graph, x, width), width, width * 4);
    const gate = graph.node('Sigmoid', [graph.node('Mul', [wide, graph.scalar(1.702)])]);
    x = graph.node('Add', [x, linear(graph.node('Mul', [wide, gate]), width * 4, width)]);
  }
  return x;
}
