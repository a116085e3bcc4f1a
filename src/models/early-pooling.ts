import { readFileSync } from 'node:fs';
import { BY_VECTOR, GraphFacts } from './graph-facts.js';
import { encodeChange, integerAttribute, renamed } from './node-bytes.js';
import { readOnnxGraph, type GraphNode, type OnnxGraph } from './onnx-graph.js';

/**
 * The bytes of a graph that gives the same with less work; undefined where there is nothing to win.
 *
 * An encoder makes a vector for every patch or token, and in the end one of them is chosen: the class token's of a picture, the
 * last token's of a text. What stands between the last attention and this choice treats each vector by itself (norms,
 * products with weights, activations, sums). So the choice can be made before it, and the other vectors need not be
 * made: three quarters of the products with weights in the last block.
 *
 * `file` is a graph as onnxruntime has optimised it, with its large weights elsewhere.
 * @throws RunnerError `MODEL_INVALID` when the file isn't well-formed
 */
export function poolEarly(file: string): Buffer | undefined {
  const graph = readOnnxGraph(file);
  const bytes = readFileSync(file);
  const facts = new GraphFacts(graph);
  const plans = graph.nodes.filter((node) => isChoice(node, facts, bytes)).map((choice) => planFor(choice, facts));
  const [best] = plans.sort((one, other) => productsOf(other) - productsOf(one));
  return best === undefined || productsOf(best) === 0 ? undefined : encodePlan(best, graph, bytes);
}

/** What becomes of a graph when a choice is made earlier. */
interface Plan {
  readonly choice: GraphNode;
  /** The value that it was made of, and its result. */
  readonly from: string;
  readonly to: string;
  /** Values that the choice is made of instead. */
  readonly sources: ReadonlySet<string>;
  /** Nodes behind them, which get chosen vectors only. */
  readonly behind: ReadonlySet<GraphNode>;
}

/** Whether a node takes one vector of each sequence. */
function isChoice(node: GraphNode, facts: GraphFacts, bytes: Buffer): boolean {
  const [from = '', places = ''] = node.inputs;
  if (!facts.hasSequences(from)) return false;
  // The same one of all.
  if (node.type === 'Gather') return integerAttribute(node, 'axis', bytes) === 1 && facts.shapeOf(places)?.length === 0;
  // Each at a place of its own, which is two numbers: the sequence's and the vector's.
  return node.type === 'GatherND' && integerAttribute(node, 'batch_dims', bytes) === 0 && facts.isPair(places);
}

function planFor(choice: GraphNode, facts: GraphFacts): Plan {
  const [from = ''] = choice.inputs;
  const [to = ''] = choice.outputs;
  const sources = new Set([from]);
  const behind = new Set<GraphNode>();
  const seen = new Set([choice]);
  // A value that is read twice can be passed once both readers are: so again, until nothing changes.
  const passOne = (): boolean => {
    for (const name of sources) {
      const maker = facts.makerOf(name);
      const vectors = maker === undefined ? undefined : vectorsOf(maker, name, facts);
      if (maker === undefined || vectors === undefined || !facts.isOnlyFor(name, seen)) continue;
      behind.add(maker);
      seen.add(maker);
      sources.delete(name);
      for (const vector of vectors) sources.add(vector);
      return true;
    }
    return false;
  };
  while (passOne());
  return { choice, from, to, sources, behind };
}

/** The vectors of which a node makes those of `result`, each for itself; undefined where it isn't like that. */
function vectorsOf(
  { type, inputs, outputs }: GraphNode,
  result: string,
  facts: GraphFacts,
): readonly string[] | undefined {
  const most = BY_VECTOR.get(type);
  if (most === undefined || outputs.some((name) => name !== result && !facts.isOnlyFor(name, new Set())))
    return undefined;
  const vectors = inputs.filter((name) => facts.weightAxes(name) === undefined);
  const areVectors = vectors.every((name) => inputs.indexOf(name) < most && facts.hasSequences(name));
  // Of a product the second factor mixes the numbers of a vector; what is added or multiplied is the same for each vector.
  const isRight = (axes: number): boolean => (type === 'MatMul' ? axes === 2 : axes <= 1);
  const areWeights = inputs.every((name) => vectors.includes(name) || isRight(facts.weightAxes(name) ?? 0));
  return vectors.length > 0 && areVectors && areWeights ? vectors : undefined;
}

function productsOf({ behind }: Plan): number {
  return [...behind].filter(({ type }) => type === 'MatMul').length;
}

function encodePlan({ choice, from, to, sources, behind }: Plan, graph: OnnxGraph, bytes: Buffer): Buffer {
  const chosen = new Map([...sources].map((name) => [name, `${name}/chosen`]));
  const choiceOf = (name: string, result: string): Buffer =>
    renamed(
      choice,
      new Map([
        [from, name],
        [to, result],
      ]),
      bytes,
    );
  const choices = [...chosen].map(([name, result]) => choiceOf(name, result));
  const names = new Map([...chosen, [from, to]]);
  const later = graph.nodes.filter((node) => behind.has(node)).map((node) => renamed(node, names, bytes));
  return encodeChange(
    graph,
    {
      dropped: new Set([choice, ...behind]),
      // All that they read is made before the choice was, and nobody reads them before.
      added: new Map([[choice, Buffer.concat([...choices, ...later])]]),
      // The shapes that are written down are those of all vectors.
      changed: new Set([...behind].flatMap(({ outputs }) => outputs)),
    },
    bytes,
  );
}
