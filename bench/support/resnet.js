// A face recogniser of the size of w600k_r50.onnx (buffalo_l: 43.6 million parameters, 6.3 GFLOP a face) with random weights.
import path from 'node:path';
import { GraphWriter, writeOnce } from './onnx-writer.js';

/** Blocks and channels of the four stages; the first block of each halves the sides. */
const STAGES = [
  [3, 64],
  [4, 128],
  [14, 256],
  [3, 512],
];
const EMBEDDING = 512;

/** Makes the graph once below `cache` and answers its file. */
export function makeResnet50(cache) {
  return writeOnce(path.join(cache, 'face-resnet-50', 'model.onnx'), recognitionGraph);
}

function recognitionGraph() {
  const graph = new GraphWriter(20265);
  let channels = 64;
  let x = prelu(graph, conv(graph, 'input.1', 3, channels, 3, 1), channels);
  for (const [blocks, width] of STAGES) {
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 ? 2 : 1;
      const shortcut = stride === 1 ? x : conv(graph, x, channels, width, 1, stride);
      const inner = prelu(graph, conv(graph, norm(graph, x, channels), channels, width, 3, 1), width);
      x = graph.node('Add', [conv(graph, inner, width, width, 3, stride), shortcut]);
      channels = width;
    }
  }
  const flat = graph.node('Flatten', [norm(graph, x, channels)], { axis: 1 });
  const inputs = channels * 7 * 7;
  const projected = graph.node('MatMul', [flat, graph.weight([inputs, EMBEDDING], inputs ** -0.5)]);
  return graph.finish(
    { 'input.1': { dims: ['batch', 3, 112, 112] } },
    { 683: { from: projected, dims: ['batch', EMBEDDING] } },
  );
}

function conv(graph, x, from, to, side, stride) {
  const pad = (side - 1) / 2;
  return graph.node(
    'Conv',
    [x, graph.weight([to, from, side, side], (1 / (from * side * side)) ** 0.5), graph.weight([to])],
    {
      kernel_shape: [side, side],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    },
  );
}

function norm(graph, x, channels) {
  const positive = () => graph.weight([channels], 0.02, 1);
  return graph.node('BatchNormalization', [
    x,
    positive(),
    graph.weight([channels]),
    graph.weight([channels]),
    positive(),
  ]);
}

function prelu(graph, x, channels) {
  return graph.node('PRelu', [x, graph.weight([channels, 1, 1], 0.02, 0.25)]);
}
