import type { GraphNode, OnnxGraph } from './onnx-graph.js';
import { field, fieldsOf, numberField, numbersOf, singleField, type Field } from './protobuf-bytes.js';
import type { Span } from './protobuf.js';
import { encodeGraph } from './write-graph.js';

/** Fields of a `GraphProto`, of a `NodeProto`, of an `AttributeProto` and of a `TensorProto`. */
const [NODE, WEIGHT] = [1, 5];
const [INPUT, OUTPUT, NAME, TYPE, ATTRIBUTE] = [1, 2, 3, 4, 5];
const [ATTRIBUTE_NAME, ATTRIBUTE_FLOAT, ATTRIBUTE_INTEGER, ATTRIBUTE_TENSOR, ATTRIBUTE_TYPE] = [1, 2, 3, 5, 20];
const [DIMENSION, ELEMENT_TYPE, FLOATS, TENSOR_NAME, RAW] = [1, 2, 4, 8, 9];
/** `AttributeProto.FLOAT`, `TensorProto.FLOAT`. */
const [FLOAT_ATTRIBUTE, FLOAT_TENSOR] = [1, 1];

/** A weight, as far as it is looked at here. */
export interface Constant {
  readonly shape: readonly number[];
  /** Where it is a float32 of one number. */
  readonly number: number | undefined;
}

/** What a graph's values are that don't depend on its inputs: initialisers, and `Constant` nodes. */
export function constantsOf({ weights, nodes }: OnnxGraph, bytes: Buffer): ReadonlyMap<string, Constant> {
  const initialisers = weights.map(({ name, span }) => [name, readTensor(contentOf(span, bytes))] as const);
  const made = nodes.flatMap((node) => {
    const [name = ''] = node.outputs;
    const tensor = node.type === 'Constant' ? attribute(node, 'value', ATTRIBUTE_TENSOR, bytes) : undefined;
    return tensor === undefined ? [] : [[name, readTensor(tensor.content)] as const];
  });
  return new Map([...initialisers, ...made]);
}

function readTensor(tensor: Buffer): Constant {
  const fields = fieldsOf(tensor);
  const find = (wanted: number): Buffer | undefined => fields.find(({ number }) => number === wanted)?.content;
  const shape = fields.filter(({ number }) => number === DIMENSION).flatMap(({ content }) => numbersOf(content));
  const isFloat = numbersOf(find(ELEMENT_TYPE) ?? Buffer.alloc(0))[0] === FLOAT_TENSOR;
  const numbers = find(RAW) ?? find(FLOATS);
  return { shape, number: isFloat && numbers?.length === 4 ? numbers.readFloatLE(0) : undefined };
}

/** A node with other names of its inputs and outputs. Its own name, which must be unique, is left out. */
export function renamed(node: GraphNode, names: ReadonlyMap<string, string>, bytes: Buffer): Buffer {
  const fields = nodeFields(node, bytes).filter(({ number }) => number !== NAME);
  const changed = fields.map(({ number, content, bytes: same }) => {
    const name = number === INPUT || number === OUTPUT ? names.get(content.toString()) : undefined;
    return name === undefined ? same : field(number, name);
  });
  return field(NODE, Buffer.concat(changed));
}

/** A whole number among a node's attributes; 0 where it is left out, as ONNX has it for those that are asked for here. */
export function integerAttribute(node: GraphNode, name: string, bytes: Buffer): number {
  return attribute(node, name, ATTRIBUTE_INTEGER, bytes)?.content.readUInt8(0) ?? 0;
}

/** A number of single precision among a node's attributes. */
export function floatAttribute(node: GraphNode, name: string, bytes: Buffer): number | undefined {
  return attribute(node, name, ATTRIBUTE_FLOAT, bytes)?.content.readFloatLE(0);
}

/** A node of a new graph, with attributes that are numbers of single precision. */
export function nodeBytes(
  type: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number>>,
): Buffer {
  const floats = Object.entries(attributes).map(([name, value]) =>
    field(
      ATTRIBUTE,
      Buffer.concat([
        field(ATTRIBUTE_NAME, name),
        singleField(ATTRIBUTE_FLOAT, value),
        numberField(ATTRIBUTE_TYPE, FLOAT_ATTRIBUTE),
      ]),
    ),
  );
  const names = inputs.map((name) => field(INPUT, name));
  return field(NODE, Buffer.concat([...names, field(OUTPUT, output), field(TYPE, type), ...floats]));
}

/** A weight of one axis, of a new graph. */
export function weightBytes(name: string, values: Float32Array): Buffer {
  const raw = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => raw.writeFloatLE(value, 4 * index));
  const facts = [numberField(DIMENSION, values.length), numberField(ELEMENT_TYPE, FLOAT_TENSOR)];
  return field(WEIGHT, Buffer.concat([...facts, field(TENSOR_NAME, name), field(RAW, raw)]));
}

/** What becomes of a graph's nodes. */
export interface GraphChange {
  readonly dropped: ReadonlySet<GraphNode>;
  /** Nodes, and weights, that take the place of one. */
  readonly added: ReadonlyMap<GraphNode, Buffer>;
  /** Values of which what is written down of them is no longer true. */
  readonly changed: ReadonlySet<string>;
}

/** The bytes of a changed graph. */
export function encodeChange(graph: OnnxGraph, { dropped, added, changed }: GraphChange, bytes: Buffer): Buffer {
  const read = ({ start, end }: Span): Buffer => bytes.subarray(start, end);
  const kept = [
    ...graph.nodes.filter((node) => !dropped.has(node)),
    ...graph.notes.filter(({ name }) => !changed.has(name)),
    ...[...graph.weights, ...graph.inputs, ...graph.outputs],
  ].map(({ span }) => span);
  const pieces = [
    ...[...kept, ...graph.rest].map((span) => ({ start: span.start, content: read(span) })),
    ...[...added].map(([{ span }, content]) => ({ start: span.start, content })),
  ];
  pieces.sort((one, other) => one.start - other.start);
  return encodeGraph(
    graph.beside.map(read),
    pieces.map(({ content }) => content),
  );
}

function nodeFields({ span }: GraphNode, bytes: Buffer): readonly Field[] {
  return fieldsOf(contentOf(span, bytes));
}

/** The message that a field at this place holds. */
function contentOf({ start, end }: Span, bytes: Buffer): Buffer {
  return fieldsOf(bytes.subarray(start, end))[0]?.content ?? Buffer.alloc(0);
}

function attribute(node: GraphNode, name: string, kind: number, bytes: Buffer): Field | undefined {
  for (const { content } of nodeFields(node, bytes).filter(({ number }) => number === ATTRIBUTE)) {
    const parts = fieldsOf(content);
    if (parts.find(({ number }) => number === ATTRIBUTE_NAME)?.content.toString() !== name) continue;
    return parts.find(({ number }) => number === kind);
  }
  return undefined;
}
