// A face detector of the shape of SCRFD-10g (det_10g.onnx of buffalo_l: 4.2 million parameters, 10 GFLOP at 640 x 480) with random
// weights. The bias of its scores keeps it from finding anything.
import path from 'node:path';
import { GraphWriter, writeOnce } from './onnx-writer.js';

const SIDE = 640;
const ANCHORS = 2;
/** Blocks and channels of the four stages; the first block of each but the first halves the sides. */
const STAGES = [
  [3, 56],
  [4, 88],
  [2, 88],
  [3, 224],
];
const NECK = 56;
const HEAD = { convolutions: 3, width: 80 };
const STRIDES = [8, 16, 32];
/** Numbers for each anchor, in the order of the outputs. */
const PARTS = { score: 1, box: 4, points: 10 };
/** As a probability one in three thousand. */
const SCORE_BIAS = -8;

/** Makes the graph once below `cache` and answers its file. */
export function makeScrfd(cache) {
  return writeOnce(path.join(cache, 'face-scrfd-10g', 'model.onnx'), detectionGraph);
}

function detectionGraph() {
  const graph = new GraphWriter(20266);
  const levels = neck(graph, backbone(graph).slice(1));
  const answers = levels.map((level, place) => head(graph, level, STRIDES[place]));
  const outputs = Object.entries(PARTS).flatMap(([part, width]) =>
    STRIDES.map((stride, place) => {
      const dims = [ANCHORS * (SIDE / stride) ** 2, width];
      return [`${part}_${stride}`, { from: answers[place][part], dims }];
    }),
  );
  return graph.finish({ 'input.1': { dims: [1, 3, SIDE, SIDE] } }, Object.fromEntries(outputs));
}

/** What each stage answers, the largest first. */
function backbone(graph) {
  const half = STAGES[0][1] / 2;
  let x = relu(graph, conv(graph, 'input.1', 3, half, { stride: 2 }));
  x = relu(graph, conv(graph, x, half, half));
  x = relu(graph, conv(graph, x, half, 2 * half));
  x = graph.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels = 2 * half;
  return STAGES.map(([blocks, width], stage) => {
    for (let block = 0; block < blocks; block++) {
      x = residual(graph, x, channels, width, stage > 0 && block === 0 ? 2 : 1);
      channels = width;
    }
    return x;
  });
}

function residual(graph, x, from, to, stride) {
  const inner = relu(graph, conv(graph, x, from, to, { stride }));
  let shortcut = x;
  if (stride === 2) shortcut = graph.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
  if (from !== to) shortcut = conv(graph, shortcut, from, to, { side: 1 });
  return relu(graph, graph.node('Add', [conv(graph, inner, to, to), shortcut]));
}

/** Down from the coarsest level to the finest, and up again (PAFPN). */
function neck(graph, stages) {
  const widths = STAGES.slice(1).map(([, width]) => width);
  const levels = stages.map((x, place) => conv(graph, x, widths[place], NECK, { side: 1 }));
  for (let place = levels.length - 1; place > 0; place--) {
    const larger = graph.node('Resize', [levels[place], '', graph.floats([1, 1, 2, 2])]);
    levels[place - 1] = graph.node('Add', [levels[place - 1], larger]);
  }
  const smooth = levels.map((x) => conv(graph, x, NECK, NECK));
  for (let place = 1; place < smooth.length; place++) {
    const smaller = conv(graph, smooth[place - 1], NECK, NECK, { stride: 2 });
    smooth[place] = graph.node('Add', [smooth[place], smaller]);
  }
  return smooth.map((x, place) => (place === 0 ? x : conv(graph, x, NECK, NECK)));
}

function head(graph, level, stride) {
  let x = level;
  for (let i = 0; i < HEAD.convolutions; i++) x = relu(graph, conv(graph, x, i === 0 ? NECK : HEAD.width, HEAD.width));
  const answers = Object.entries(PARTS).map(([part, width]) => {
    const bias = part === 'score' ? SCORE_BIAS : 1;
    const made = conv(graph, x, HEAD.width, ANCHORS * width, { bias, gain: 0.01 });
    const rows = graph.node('Transpose', [made], { perm: [0, 2, 3, 1] });
    const flat = graph.node('Reshape', [rows, graph.integers([ANCHORS * (SIDE / stride) ** 2, width])]);
    return [part, part === 'score' ? graph.node('Sigmoid', [flat]) : flat];
  });
  return Object.fromEntries(answers);
}

function conv(graph, x, from, to, { side = 3, stride = 1, bias = 0, gain = 1 } = {}) {
  const pad = (side - 1) / 2;
  const weight = graph.weight([to, from, side, side], gain * (1 / (from * side * side)) ** 0.5);
  return graph.node('Conv', [x, weight, graph.weight([to], 0.001, bias)], {
    kernel_shape: [side, side],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
  });
}

function relu(graph, x) {
  return graph.node('Relu', [x]);
}
