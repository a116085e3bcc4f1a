import { RunnerError } from '../errors.js';
import type { GraphNode, GraphValue, OnnxGraph } from './onnx-graph.js';
import type { Span } from './protobuf.js';

/** The two halves of a graph with both towers. */
export type Side = 'vision' | 'text';

/** The parts of a file that make a graph of its own. */
export interface GraphPart {
  /** In the file's order; they become the content of the `graph` field. */
  readonly graph: readonly Span[];
  /** What stands beside the graph, in the file's order. */
  readonly beside: readonly Span[];
}

/** ONNX's element types. */
const FLOATS = [1, 10, 16];
const INTEGERS = [6, 7];
/** Batch, channels, height, width; batch, sequence. */
const AXES = { vision: 4, text: 2 } as const;

/**
 * Cuts one side out of a graph with both towers: the outputs `[batch, dimension]` that depend on pictures alone, or on
 * texts alone, and whatever they need. Which is which is told by the inputs: pixels are floats of four axes, ids (and
 * masks) integers of two. Names don't count, so any exporter's will do.
 * @throws RunnerError `MODEL_INVALID` where no output depends on that side alone, or the graph reads what nothing makes
 */
export function cutSide(graph: OnnxGraph, side: Side, file: string): GraphPart {
  const producers = producersOf(graph);
  const outputs = sideOutputs(graph, side, producers);
  if (outputs.length === 0) throw noSide(graph, side, file);
  const needed = namesBehind(outputs, producers);
  const isNeeded = ({ name }: GraphValue): boolean => needed.has(name);
  const nodes = graph.nodes.filter((node) => node.outputs.some((name) => needed.has(name)));
  refuseMissing(nodes, graph, file);
  // What a kept node makes besides is described, too: the runtime wants to know its type.
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const kept = [
    ...nodes,
    ...graph.weights.filter(isNeeded),
    ...graph.inputs.filter(isNeeded),
    ...outputs,
    ...graph.notes.filter((note) => isNeeded(note) || made.has(note.name)),
  ];
  const spans = [...kept.map(({ span }) => span), ...graph.rest];
  return { graph: spans.sort((one, other) => one.start - other.start), beside: graph.beside };
}

/** Whether a graph has outputs that depend on a side alone. */
export function hasSide(graph: OnnxGraph, side: Side): boolean {
  return sideOutputs(graph, side, producersOf(graph)).length > 0;
}

/** The node that makes each value. */
type Producers = ReadonlyMap<string, GraphNode>;

function producersOf({ nodes }: OnnxGraph): Producers {
  return new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
}

function sideOutputs(graph: OnnxGraph, side: Side, producers: Producers): readonly GraphValue[] {
  const weights = new Set(graph.weights.map(({ name }) => name));
  // Older exporters list weights among the inputs, as values that might be given.
  const inputs = graph.inputs.filter(({ name }) => !weights.has(name));
  const types = side === 'vision' ? FLOATS : INTEGERS;
  const isOfSide = ({ type, shape }: GraphValue): boolean =>
    type !== undefined && types.includes(type) && (shape === undefined || shape.length === AXES[side]);
  return graph.outputs.filter((output) => {
    if (output.type !== undefined && !FLOATS.includes(output.type)) return false;
    if (output.shape !== undefined && output.shape.length !== 2) return false;
    const names = namesBehind([output], producers);
    const read = inputs.filter(({ name }) => names.has(name));
    return read.length > 0 && read.every(isOfSide);
  });
}

/** The names of values, and of all that they are made from. */
function namesBehind(values: readonly GraphValue[], producers: Producers): ReadonlySet<string> {
  const names = new Set(values.map(({ name }) => name));
  // A set hands out what is added to it while it is gone through.
  for (const name of names) for (const read of producers.get(name)?.reads ?? []) names.add(read);
  return names;
}

function refuseMissing(nodes: readonly GraphNode[], graph: OnnxGraph, file: string): void {
  const known = new Set([
    ...nodes.flatMap(({ outputs }) => outputs),
    ...[...graph.weights, ...graph.inputs].map(({ name }) => name),
  ]);
  const missing = nodes.flatMap(({ reads }) => reads).find((name) => !known.has(name));
  if (missing === undefined) return;
  throw new RunnerError(
    'MODEL_INVALID',
    `${file} is not a whole graph: it reads "${missing}", which no node, weight or input of it makes.`,
  );
}

function noSide(graph: OnnxGraph, side: Side, file: string): RunnerError {
  const list = (values: readonly GraphValue[]): string =>
    values.map(({ name, shape }) => `${name}${shape === undefined ? '' : ` of ${shape.length} axes`}`).join(', ');
  const wanted = side === 'vision' ? 'pixels [batch, 3, height, width]' : 'ids [batch, sequence]';
  return new RunnerError(
    'MODEL_INVALID',
    `${file}: expected a graph with both towers, and in it an output [batch, dimension] that depends on ${wanted} alone; ` +
      `its inputs are ${list(graph.inputs)}, its outputs ${list(graph.outputs)}. Export the towers apart, as ` +
      'onnx/vision_model.onnx and onnx/text_model.onnx.',
  );
}
