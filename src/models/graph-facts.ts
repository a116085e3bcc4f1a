import type { GraphNode, OnnxGraph } from './onnx-graph.js';

/** Batch, sequence, hidden. */
const SEQUENCE_AXES = 3;
/** Operators that treat each vector by itself: how many of their first inputs may be vectors. What follows are weights. */
export const BY_VECTOR: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ Add: 2, Sub: 2, Mul: 2, Div: 2, MatMul: 1 },
    ...{ LayerNormalization: 1, SimplifiedLayerNormalization: 1 },
    ...{ SkipLayerNormalization: 2, SkipSimplifiedLayerNormalization: 2 },
    ...{ QuickGelu: 1, Gelu: 1, BiasGelu: 1, FastGelu: 1, Sigmoid: 1, Tanh: 1, Erf: 1, Relu: 1, Cast: 1 },
  }),
);
/** Operators whose result has as many axes as the one of their inputs that has most. */
const KEEPS_AXES = new Set([...BY_VECTOR.keys(), 'Transpose', 'Concat']);
const ATTENTIONS = new Set(['Attention', 'MultiHeadAttention']);

/** What a graph says of its values: who makes and who reads them, and what is known of their axes. */
export class GraphFacts {
  readonly #makers: ReadonlyMap<string, GraphNode>;
  readonly #readers = new Map<string, GraphNode[]>();
  readonly #outputs: ReadonlySet<string>;
  readonly #weights: ReadonlyMap<string, readonly number[]>;
  readonly #shapes: ReadonlyMap<string, readonly number[] | undefined>;
  /** Least numbers of axes that were worked out already. */
  readonly #axes = new Map<string, number>();

  constructor({ nodes, weights, inputs, outputs, notes }: OnnxGraph) {
    this.#makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
    for (const node of nodes) {
      for (const name of node.reads) this.#readers.set(name, [...(this.#readers.get(name) ?? []), node]);
    }
    this.#outputs = new Set(outputs.map(({ name }) => name));
    // A weight of one number has no list of axes.
    this.#weights = new Map(weights.map(({ name, shape = [] }) => [name, shape]));
    this.#shapes = new Map([
      ...[...notes, ...inputs].map(({ name, shape }) => [name, shape] as const),
      ...this.#weights,
    ]);
  }

  makerOf(name: string): GraphNode | undefined {
    return this.#makers.get(name);
  }

  /** -1 where an axis has no fixed length; undefined where the file doesn't say. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#shapes.get(name);
  }

  /** How many axes a weight has; undefined where the value is none. */
  weightAxes(name: string): number | undefined {
    return this.#weights.get(name)?.length;
  }

  /** Whether a value goes to these nodes and nowhere else. */
  isOnlyFor(name: string, nodes: ReadonlySet<GraphNode>): boolean {
    return !this.#outputs.has(name) && (this.#readers.get(name) ?? []).every((node) => nodes.has(node));
  }

  /** Whether a value is known to have a vector for each place of each sequence, and not one vector only. */
  hasSequences(name: string): boolean {
    return this.#leastAxes(name) >= SEQUENCE_AXES;
  }

  /** Whether the last axis of a value has two numbers, as far as that shows. */
  isPair(name: string): boolean {
    const shape = this.shapeOf(name);
    if (shape !== undefined) return shape.length === 2 && shape[1] === 2;
    const maker = this.makerOf(name);
    const parts = maker?.type === 'Concat' ? maker.inputs : [];
    return parts.length === 2 && parts.every((part) => this.makerOf(part)?.type === 'Unsqueeze');
  }

  /** How many axes a value has at least, by what it is made of; exporters often leave out what they know. */
  #leastAxes(name: string): number {
    const known = this.shapeOf(name)?.length ?? this.#axes.get(name);
    if (known !== undefined) return known;
    this.#axes.set(name, 0); // While it is worked out.
    const axes = this.#axesMade(this.makerOf(name));
    this.#axes.set(name, axes);
    return axes;
  }

  #axesMade(maker: GraphNode | undefined): number {
    if (maker === undefined) return 0;
    const { type, inputs } = maker;
    if (ATTENTIONS.has(type)) return SEQUENCE_AXES;
    // A product with a row has one axis less.
    if (type === 'MatMul' && inputs.some((input) => this.weightAxes(input) === 1)) return 0;
    if (KEEPS_AXES.has(type)) return Math.max(...inputs.map((input) => this.#leastAxes(input)));
    if (type !== 'Reshape') return 0;
    const [, wanted = ''] = inputs;
    const shape = this.makerOf(wanted);
    // One number for each axis: a weight of so many, or put together of at least as many as there are parts.
    return this.shapeOf(wanted)?.[0] ?? (shape?.type === 'Concat' ? shape.inputs.length : 0);
  }
}
