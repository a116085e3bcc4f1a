import { readFileSync } from 'node:fs';
import { readOnnxGraph, type GraphNode, type GraphValue } from '../../src/models/onnx-graph.js';
import { toFloat16Bits } from '../../src/tasks/float16.js';
import { attribute, node } from './joint-model.js';
import { message, type Field } from './onnx-bytes.js';

/** What is put in the place of a product with a weight: the nodes, and the weights that they need. */
interface Replacement {
  readonly nodes: readonly Field[];
  readonly weights: readonly Field[];
}

/** Seven of the eight bits, as processors without VNNI add up two products in 16 bits. */
const LARGEST = 63;

/**
 * A graph as onnxruntime's dynamic quantisation makes it: weights of matrix products in 8 bits with a scale per column,
 * activations quantised at run time. With `scramble` the weights are in another order, as after a fault of the tool that made
 * them; with `isNumberless` their scales are NaN.
 */
export function quantised(
  file: string,
  { scramble = false, isNumberless = false }: { readonly scramble?: boolean; readonly isNumberless?: boolean } = {},
): Buffer {
  return rewritten(file, ({ inputs: [left = '', right = ''], outputs: [out = ''] }, { columns, values }) => {
    const scales = Float32Array.from({ length: columns }, (_, column) => {
      const most = values.reduce((max, value, i) => (i % columns === column ? Math.max(max, Math.abs(value)) : max), 0);
      return isNumberless ? NaN : most / LARGEST || 1;
    });
    const whole = Int8Array.from(values, (value, i) => Math.round(value / (scales[i % columns] || 1)));
    if (scramble) shuffle(whole);
    const [codes, scale] = [`${right}_quantized`, `${right}_scale`];
    return {
      nodes: [
        node('DynamicQuantizeLinear', [left], [`${out}_a`, `${out}_a_scale`, `${out}_a_zero`]),
        node('MatMulInteger', [`${out}_a`, codes, `${out}_a_zero`], [`${out}_whole`]),
        node('Cast', [`${out}_whole`], [`${out}_float`], [attribute('to', [3, 1])]),
        node('Mul', [`${out}_a_scale`, scale], [`${out}_scales`]),
        node('Mul', [`${out}_float`, `${out}_scales`], [out]),
      ],
      weights: [
        tensor(codes, [values.length / columns, columns], 3, whole),
        tensor(scale, [columns], 1, new Uint8Array(scales.buffer)),
      ],
    };
  });
}

/** A graph whose matrices are stored in half precision. */
export function halved(file: string): Buffer {
  return rewritten(file, ({ inputs: [left = '', right = ''], outputs: [out = ''] }, { columns, values }) => {
    const halves = toFloat16Bits(Float32Array.from(values));
    return {
      nodes: [
        node('Cast', [`${right}_half`], [`${out}_weight`], [attribute('to', [3, 1])]),
        node('MatMul', [left, `${out}_weight`], [out]),
      ],
      weights: [tensor(`${right}_half`, [values.length / columns, columns], 10, new Uint8Array(halves.buffer))],
    };
  });
}

/** A graph that no runtime knows how to run. */
export function unknownOperator(file: string): Buffer {
  return rewritten(file, ({ inputs: [left = ''], outputs }) => ({
    nodes: [node('NoSuchOperator', [left], outputs)],
    weights: [],
  }));
}

interface Matrix {
  readonly columns: number;
  /** By rows. */
  readonly values: readonly number[];
}

/** Copies a graph, but for its products with float32 matrices whose weights nothing else reads. */
function rewritten(file: string, replace: (product: GraphNode, matrix: Matrix) => Replacement): Buffer {
  const bytes = readFileSync(file);
  const graph = readOnnxGraph(file);
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]));
  const readers = (name: string): number => graph.nodes.filter(({ reads }) => reads.includes(name)).length;
  const isProduct = ({ type, inputs: [, right = ''] }: GraphNode): boolean =>
    type === 'MatMul' &&
    weights.get(right)?.type === 1 &&
    weights.get(right)?.shape?.length === 2 &&
    readers(right) === 1;
  const dropped = new Set<GraphValue>();
  const replaced: Field[] = [];
  const nodes = graph.nodes.flatMap((one) => {
    if (!isProduct(one)) return [bytes.subarray(one.span.start, one.span.end)];
    const weight = weights.get(one.inputs[1]!)!;
    dropped.add(weight);
    const replacement = replace(one, { columns: weight.shape![1]!, values: floatsOf(bytes, weight) });
    replaced.push(...replacement.weights);
    return [message(...replacement.nodes)];
  });
  if (dropped.size === 0) throw new Error(`${file} has no product with a matrix of its own`);
  const copied = [
    ...graph.weights.filter((weight) => !dropped.has(weight)),
    ...graph.inputs,
    ...graph.outputs,
    ...graph.notes,
  ].map(({ span }) => bytes.subarray(span.start, span.end));
  const rest = graph.rest.map(({ start, end }) => bytes.subarray(start, end));
  const content = Buffer.concat([...nodes, message(...replaced), ...copied, ...rest]);
  const beside = graph.beside.map(({ start, end }) => bytes.subarray(start, end));
  return Buffer.concat([...beside, message([7, content])]);
}

function tensor(name: string, dims: readonly number[], type: number, raw: ArrayBufferView): Field {
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
  return [5, message(...dims.map((dim): Field => [1, dim]), [2, type], [8, name], [9, bytes])];
}

/** The raw data of a tensor ends its message, or is followed by the name alone: it is found by its length. */
function floatsOf(bytes: Buffer, { name, shape, span }: GraphValue): readonly number[] {
  const length = 4 * shape!.reduce((product, side) => product * side, 1);
  const head = message([9, new Uint8Array(length)]).subarray(0, -length);
  const at = bytes.subarray(span.start, span.end).indexOf(head);
  if (at < 0) throw new Error(`the weight ${name} has no raw data`);
  const start = span.start + at + head.length;
  return Array.from({ length: length / 4 }, (_, i) => bytes.readFloatLE(start + 4 * i));
}

function shuffle(codes: Int8Array): void {
  let state = 12345;
  for (let i = codes.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const j = state % (i + 1);
    [codes[i], codes[j]] = [codes[j]!, codes[i]!];
  }
}
