import { readFileSync, statSync } from 'node:fs';
import { readExternalLocations } from './external-data.js';
import { GraphFacts } from './graph-facts.js';
import { constantsOf, encodeChange, floatAttribute, nodeBytes, weightBytes, type Constant } from './node-bytes.js';
import { readOnnxGraph, type GraphNode, type OnnxGraph } from './onnx-graph.js';

/**
 * The bytes of a graph that makes the same in fewer passes over its numbers; undefined where there is nothing to win.
 *
 * PP-OCR's graphs have more sums and products with single numbers than convolutions, and on the processor each is a pass over
 * pictures of many megabytes. The runtime makes one pass of a convolution and what follows it where it knows both:
 *
 * - hard swish (Howard et al. 2019, "Searching for MobileNetV3"), `x * clip(x + 3, 0, 6) / 6` in four operators, becomes
 *   `x * HardSigmoid(x)`;
 * - `scale * x + shift` with single numbers, in two operators, becomes a `BatchNormalization` with the same ones for each channel,
 *   which goes into the weights of a convolution before it.
 *
 * The numbers differ by what rounding makes of it. Graphs that keep weights in other files are left as they are.
 * @throws RunnerError `MODEL_INVALID` when the file isn't well-formed
 */
export function fuseOperators(file: string): Buffer | undefined {
  if (statSync(file).size > MOST_BYTES || readExternalLocations(file).length > 0) return undefined;
  const graph = readOnnxGraph(file);
  const bytes = readFileSync(file);
  const search = new Search(graph, bytes);
  // Of each node's kinds one at most: what is multiplied and added in a hard swish has two readers.
  const found = graph.nodes.flatMap((node) => search.hardSwish(node) ?? search.scaling(node) ?? []);
  if (found.length === 0) return undefined;
  return encodeChange(
    graph,
    {
      dropped: new Set(found.flatMap(({ nodes }) => nodes)),
      // In the place of the last one: what they read is there by then, and nobody reads their result before.
      added: new Map(found.map(({ nodes, fused }) => [nodes[0], fused])),
      changed: new Set(),
    },
    bytes,
  );
}

/** Nodes, the last one first, and what takes their place. */
interface Fusion {
  readonly nodes: readonly [GraphNode, ...GraphNode[]];
  readonly fused: Buffer;
}

/** It is read as a whole; larger graphs are not of this kind. */
const MOST_BYTES = 256 * 1024 ** 2;
/** Operators that leave the number of channels as it is. */
const KEEP_CHANNELS = new Set(['Add', 'Sub', 'Mul', 'Div', 'Clip', 'Relu', 'HardSigmoid', 'BatchNormalization']);

/** Looks for what can be fused; what is read elsewhere, too, is left. */
class Search {
  readonly #facts: GraphFacts;
  readonly #constants: ReadonlyMap<string, Constant>;
  readonly #bytes: Buffer;
  readonly #channels = new Map<string, number | undefined>();

  constructor(graph: OnnxGraph, bytes: Buffer) {
    this.#facts = new GraphFacts(graph);
    this.#constants = constantsOf(graph, bytes);
    this.#bytes = bytes;
  }

  /** `Div(Mul(x, Clip(Add(x, 3), 0, 6)), 6)`, as Paddle's exporter writes it. */
  hardSwish(node: GraphNode): Fusion | undefined {
    if (node.type !== 'Div' || this.#numberOf(node.inputs[1]) !== 6) return undefined;
    const product = this.#onlyFor(node.inputs[0], node, 'Mul');
    const clip = product?.inputs
      .map((name) => this.#onlyFor(name, product, 'Clip'))
      .find((maker) => maker !== undefined);
    const sum = this.#onlyFor(clip?.inputs[0], clip, 'Add');
    if (product === undefined || clip === undefined || sum === undefined) return undefined;
    const [least, most] = this.#boundsOf(clip);
    if (least !== 0 || most !== 6) return undefined;
    const shifted = this.#withNumber(sum);
    if (shifted?.number !== 3 || !product.inputs.includes(shifted.value)) return undefined;
    const [result = ''] = node.outputs;
    const [x, gate] = [shifted.value, `${result}/gate`];
    const fused = [
      nodeBytes('HardSigmoid', [x], gate, { alpha: 1 / 6, beta: 0.5 }),
      nodeBytes('Mul', [x, gate], result, {}),
    ];
    return { nodes: [node, product, clip, sum], fused: Buffer.concat(fused) };
  }

  /** `Add(Mul(x, scale), shift)`. */
  scaling(node: GraphNode): Fusion | undefined {
    if (node.type !== 'Add') return undefined;
    const shifted = this.#withNumber(node);
    const product = this.#onlyFor(shifted?.value, node, 'Mul');
    if (shifted === undefined || product === undefined) return undefined;
    const scaled = this.#withNumber(product);
    const channels = scaled === undefined ? undefined : this.#channelsOf(scaled.value);
    if (scaled === undefined || channels === undefined) return undefined;
    const [result = ''] = node.outputs;
    const perChannel = { scale: scaled.number, shift: shifted.number, mean: 0, variance: 1 };
    const weights = Object.entries(perChannel).map(([name, number]) => ({
      name: `${result}/${name}`,
      values: new Float32Array(channels).fill(number),
    }));
    const inputs = [scaled.value, ...weights.map(({ name }) => name)];
    const fused = [
      ...weights.map(({ name, values }) => weightBytes(name, values)),
      nodeBytes('BatchNormalization', inputs, result, { epsilon: 0 }),
    ];
    return { nodes: [node, product], fused: Buffer.concat(fused) };
  }

  #numberOf(name = ''): number | undefined {
    return this.#constants.get(name)?.number;
  }

  /** Least and most of a `Clip`: attributes before ONNX's operator set 11, inputs since. */
  #boundsOf(clip: GraphNode): readonly (number | undefined)[] {
    const [, ...bounds] = clip.inputs;
    if (bounds.length > 0) return bounds.map((name) => this.#numberOf(name));
    return ['min', 'max'].map((name) => floatAttribute(clip, name, this.#bytes));
  }

  /** What a node of two inputs makes of a value and a number. */
  #withNumber({ inputs }: GraphNode): { readonly value: string; readonly number: number } | undefined {
    const [one = '', other = ''] = inputs;
    const numbers = [this.#numberOf(one), this.#numberOf(other)];
    // A number with more axes than the value would give it some.
    const axes = Math.max(...[one, other].map((name) => this.#constants.get(name)?.shape.length ?? 0));
    if (axes > 1) return undefined;
    if (numbers[0] !== undefined) return { value: other, number: numbers[0] };
    return numbers[1] === undefined ? undefined : { value: one, number: numbers[1] };
  }

  /** The node that makes a value, where it is of that type and made for one reader only. */
  #onlyFor(name: string | undefined, reader: GraphNode | undefined, type: string): GraphNode | undefined {
    if (name === undefined || reader === undefined) return undefined;
    const maker = this.#facts.makerOf(name);
    return maker?.type === type && this.#facts.isOnlyFor(name, new Set([reader])) ? maker : undefined;
  }

  /** How many channels (axis 1) a value has that comes from convolutions; undefined where that doesn't show. */
  #channelsOf(name: string): number | undefined {
    if (!this.#channels.has(name)) {
      this.#channels.set(name, undefined); // While it is worked out.
      this.#channels.set(name, this.#channelsMade(name));
    }
    return this.#channels.get(name);
  }

  #channelsMade(name: string): number | undefined {
    const maker = this.#facts.makerOf(name);
    if (maker?.type === 'Conv') return this.#constants.get(maker.inputs[1] ?? '')?.shape[0];
    if (maker === undefined || !KEEP_CHANNELS.has(maker.type)) return undefined;
    const [first, ...others] = maker.inputs.filter((input) => !this.#constants.has(input));
    const areKnown = maker.inputs.every((input) => this.#isPassive(maker, input));
    const channels = first === undefined || !areKnown ? undefined : this.#channelsOf(first);
    return others.every((other) => this.#channelsOf(other) === channels) ? channels : undefined;
  }

  /** An operand with more axes or channels than the value would be the one to tell. */
  #isPassive({ type }: GraphNode, input: string): boolean {
    const constant = this.#constants.get(input);
    return constant === undefined || constant.number !== undefined || type === 'BatchNormalization';
  }
}
