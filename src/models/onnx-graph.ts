import { walkProtobuf, type MessageShape, type Span } from './protobuf.js';

/** A node of a graph, and where it lies in the file. */
export interface GraphNode {
  /** The operator, e.g. `Gather`. */
  readonly type: string;
  /** Names that it reads: its inputs, and what the graphs inside it (`If`, `Loop`) take from outside. */
  readonly reads: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly span: Span;
}

/** A weight, or the description of a value. */
export interface GraphValue {
  readonly name: string;
  /** ONNX's number of the element type (`TensorProto.DataType`); undefined where the file doesn't say. */
  readonly type: number | undefined;
  /** -1 where the file doesn't fix an axis; undefined where it doesn't say how many there are. */
  readonly shape: readonly number[] | undefined;
  readonly span: Span;
}

/** What an ONNX file says about its graph, without the weights' content. */
export interface OnnxGraph {
  readonly nodes: readonly GraphNode[];
  /** Initialisers, dense and sparse. */
  readonly weights: readonly GraphValue[];
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /** Descriptions of the values between nodes, and of their quantisation. */
  readonly notes: readonly GraphValue[];
  /** The rest of the graph: its name and metadata. */
  readonly rest: readonly Span[];
  /** What stands beside the graph: versions, operator sets, metadata, functions. */
  readonly beside: readonly Span[];
}

const DIMENSION: MessageShape = { 1: 'number' };
const SHAPE: MessageShape = { 1: () => DIMENSION };
const TENSOR_TYPE: MessageShape = { 1: 'number', 2: () => SHAPE };
const TYPE: MessageShape = { 1: () => TENSOR_TYPE };
const INPUT: MessageShape = { 1: 'text', 2: () => TYPE };
const OUTPUT: MessageShape = { ...INPUT };
const NOTE: MessageShape = { ...INPUT };
const QUANTISATION: MessageShape = { 1: 'text' };
const WEIGHT: MessageShape = { 1: 'number', 2: 'number', 8: 'text' };
const SPARSE_VALUES: MessageShape = { 8: 'text' };
const SPARSE: MessageShape = { 1: () => SPARSE_VALUES };

/** Inside a node only names count, each in the scope of its own graph. */
const INNER_NAME: MessageShape = { 1: 'text' };
const INNER_OUTPUT: MessageShape = { 1: 'text' };
const INNER_WEIGHT: MessageShape = { 8: 'text' };
const INNER_SPARSE: MessageShape = { 1: () => INNER_WEIGHT };
const INNER_GRAPH: MessageShape = {
  1: () => INNER_NODE,
  5: () => INNER_WEIGHT,
  11: () => INNER_NAME,
  12: () => INNER_OUTPUT,
  15: () => INNER_SPARSE,
};
const ATTRIBUTE: MessageShape = { 6: () => INNER_GRAPH, 11: () => INNER_GRAPH };
const INNER_NODE: MessageShape = { 1: 'text', 2: 'text', 5: () => ATTRIBUTE };

const NODE: MessageShape = { 1: 'text', 2: 'text', 4: 'text', 5: () => ATTRIBUTE };
const GRAPH: MessageShape = {
  1: () => NODE,
  5: () => WEIGHT,
  11: () => INPUT,
  12: () => OUTPUT,
  13: () => NOTE,
  14: () => QUANTISATION,
  15: () => SPARSE,
};
const MODEL: MessageShape = { 7: () => GRAPH };
/** `training_info` of a `ModelProto`: it names weights, and nobody trains here. */
const TRAINING_FIELD = 20;

const LIMITS = { maxTextBytes: 65_536, maxDepth: 100 };

/**
 * Reads the structure of an ONNX file; weights are skipped, so it takes a moment whatever the file's size.
 * @throws RunnerError `MODEL_INVALID` when the file isn't well-formed
 */
export function readOnnxGraph(file: string): OnnxGraph {
  const reader = new GraphReader();
  walkProtobuf(
    file,
    MODEL,
    {
      begin: (shape) => reader.begin(shape),
      text: (text, field, shape) => reader.text(text, field, shape),
      number: (value, field, shape) => reader.number(value, field, shape),
      other: (span, field, shape) => reader.other(span, field, shape),
      end: (shape, span) => reader.end(shape, span),
    },
    LIMITS,
  );
  return reader.graph;
}

/** The names of one graph inside a node. */
interface Scope {
  readonly reads: Set<string>;
  readonly makes: Set<string>;
}

class GraphReader {
  readonly graph = {
    nodes: [] as GraphNode[],
    weights: [] as GraphValue[],
    inputs: [] as GraphValue[],
    outputs: [] as GraphValue[],
    notes: [] as GraphValue[],
    rest: [] as Span[],
    beside: [] as Span[],
  };
  readonly #scopes: Scope[] = [];
  #node = newNode();
  #value = newValue();

  begin(shape: MessageShape): void {
    if (shape === NODE) this.#node = newNode();
    else if (shape === INNER_GRAPH) this.#scopes.push({ reads: new Set(), makes: new Set() });
    else if (LISTS.has(shape)) this.#value = newValue();
    else if (shape === SHAPE) this.#value.shape = [];
    else if (shape === DIMENSION) this.#value.shape?.push(-1);
  }

  text(text: string, field: number, shape: MessageShape): void {
    // An input or output that is left out has an empty name.
    if (text === '' && (shape === NODE || shape === INNER_NODE)) return;
    const scope = this.#scopes.at(-1);
    if (scope !== undefined) {
      const isRead = (shape === INNER_NODE && field === 1) || shape === INNER_OUTPUT;
      (isRead ? scope.reads : scope.makes).add(text);
    } else if (shape === NODE) {
      if (field === 1) this.#node.inputs.push(text);
      else if (field === 2) this.#node.outputs.push(text);
      else this.#node.type = text;
    } else {
      this.#value.name = text;
    }
  }

  number(value: number, field: number, shape: MessageShape): void {
    const { shape: axes } = this.#value;
    // A negative number is ten bytes long and reads as one beyond all others.
    if (shape === DIMENSION && axes !== undefined) axes[axes.length - 1] = Number.isSafeInteger(value) ? value : -1;
    else if (shape === WEIGHT && field === 1) (this.#value.shape ??= []).push(value);
    else this.#value.type = value;
  }

  other(span: Span, field: number, shape: MessageShape): void {
    if (shape === GRAPH) this.graph.rest.push(span);
    else if (shape === MODEL && field !== TRAINING_FIELD) this.graph.beside.push(span);
  }

  end(shape: MessageShape, span: Span): void {
    if (shape === INNER_GRAPH) {
      this.#leaveScope();
    } else if (shape === NODE) {
      const { type, inputs, outputs, outer } = this.#node;
      this.graph.nodes.push({ type, inputs, outputs, reads: [...inputs, ...outer], span });
    } else {
      const list = LISTS.get(shape);
      if (list !== undefined) this.graph[list].push({ ...this.#value, span });
    }
  }

  /** What a graph reads and doesn't make itself, it takes from the graph around it. */
  #leaveScope(): void {
    const scope = this.#scopes.pop();
    const outer = [...(scope?.reads ?? [])].filter((name) => scope?.makes.has(name) === false);
    const around = this.#scopes.at(-1);
    for (const name of outer) {
      if (around === undefined) this.#node.outer.push(name);
      else around.reads.add(name);
    }
  }
}

/** Where the values of each message belong. */
const LISTS = new Map<MessageShape, 'weights' | 'inputs' | 'outputs' | 'notes'>([
  [WEIGHT, 'weights'],
  [SPARSE, 'weights'],
  [INPUT, 'inputs'],
  [OUTPUT, 'outputs'],
  [NOTE, 'notes'],
  [QUANTISATION, 'notes'],
]);

function newNode(): { type: string; inputs: string[]; outputs: string[]; outer: string[] } {
  return { type: '', inputs: [], outputs: [], outer: [] };
}

function newValue(): { name: string; type: number | undefined; shape: number[] | undefined } {
  return { name: '', type: undefined, shape: undefined };
}
