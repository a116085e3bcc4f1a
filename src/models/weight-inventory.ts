import type { GraphNode, GraphValue, OnnxGraph } from './onnx-graph.js';

/** What a weight is for: a matrix product, a convolution, a table of embeddings; or biases, scales and the like. */
export const WEIGHT_USES = ['MatMul', 'Conv', 'Gather', 'other'] as const;
export type WeightUse = (typeof WEIGHT_USES)[number];

/** The weights of a graph that have the same use and type. */
export interface WeightGroup {
  readonly use: WeightUse;
  /** `float32`, `float16`, `int8`, … */
  readonly type: string;
  readonly count: number;
  readonly bytes: number;
}

/** ONNX's element types by their numbers, with the bits of one number. */
const TYPES: Readonly<Record<number, readonly [name: string, bits: number]>> = {
  1: ['float32', 32],
  2: ['uint8', 8],
  3: ['int8', 8],
  4: ['uint16', 16],
  5: ['int16', 16],
  6: ['int32', 32],
  7: ['int64', 64],
  9: ['bool', 8],
  10: ['float16', 16],
  11: ['float64', 64],
  16: ['bfloat16', 16],
  17: ['float8', 8],
  18: ['float8', 8],
  19: ['float8', 8],
  20: ['float8', 8],
  21: ['uint4', 4],
  22: ['int4', 4],
};

/** Which inputs of an operator are its weights; quantised operators have the scales of the left side before them. */
const OPERATORS: Readonly<Record<string, readonly [use: WeightUse, inputs: readonly number[]]>> = {
  MatMul: ['MatMul', [0, 1]],
  Gemm: ['MatMul', [0, 1]],
  FusedMatMul: ['MatMul', [0, 1]],
  MatMulInteger: ['MatMul', [0, 1]],
  MatMulIntegerToFloat: ['MatMul', [0, 1]],
  DynamicQuantizeMatMul: ['MatMul', [0, 1]],
  MatMulNBits: ['MatMul', [1]],
  QLinearMatMul: ['MatMul', [0, 3]],
  QGemm: ['MatMul', [0, 3]],
  Attention: ['MatMul', [1]],
  QAttention: ['MatMul', [1]],
  Conv: ['Conv', [1]],
  FusedConv: ['Conv', [1]],
  ConvInteger: ['Conv', [1]],
  QLinearConv: ['Conv', [3]],
  Gather: ['Gather', [0]],
  GatherBlockQuantized: ['Gather', [0]],
};

/** What stands between a weight and its operator, and changes neither. */
const PASSES = new Set(['DequantizeLinear', 'Cast', 'Transpose', 'Reshape', 'Identity', 'Squeeze', 'Unsqueeze']);

/** Counts the weights of a graph by use and type; those inside `Constant` nodes are not seen. */
export function weightGroups(graph: OnnxGraph): readonly WeightGroup[] {
  const readers = readersOf(graph);
  const groups = new Map<string, { use: WeightUse; type: string; count: number; bytes: number }>();
  for (const weight of graph.weights) {
    const [type, bits] = TYPES[weight.type ?? 0] ?? ['unknown', 8];
    const use = useOf(weight, readers);
    const group = groups.get(`${use} ${type}`) ?? { use, type, count: 0, bytes: 0 };
    const numbers = (weight.shape ?? []).reduce((product, side) => product * side, 1);
    groups.set(`${use} ${type}`, { ...group, count: group.count + 1, bytes: group.bytes + (numbers * bits) / 8 });
  }
  const place = ({ use }: WeightGroup): number => WEIGHT_USES.indexOf(use);
  return [...groups.values()].sort((one, other) => place(one) - place(other) || other.bytes - one.bytes);
}

interface Reader {
  readonly node: GraphNode;
  readonly index: number;
}

type Readers = ReadonlyMap<string, readonly Reader[]>;

function readersOf({ nodes }: OnnxGraph): Readers {
  const readers = new Map<string, Reader[]>();
  for (const node of nodes) {
    node.inputs.forEach((name, index) => {
      const known = readers.get(name);
      if (known === undefined) readers.set(name, [{ node, index }]);
      else known.push({ node, index });
    });
  }
  return readers;
}

/** Scales, zero points and biases have one axis at most. */
function useOf({ name, shape = [] }: GraphValue, readers: Readers): WeightUse {
  if (shape.length < 2) return 'other';
  const names = new Set([name]);
  // A set hands out what is added to it while it is gone through.
  for (const one of names) {
    for (const { node, index } of readers.get(one) ?? []) {
      const [use, inputs] = OPERATORS[node.type] ?? ['other', []];
      if (inputs.includes(index)) return use;
      if (PASSES.has(node.type) && index === 0) for (const output of node.outputs) names.add(output);
    }
  }
  return 'other';
}
