import { walkProtobuf, type MessageShape } from './protobuf.js';

const NODE: MessageShape = { 3: 'text', 4: 'text' };
const GRAPH: MessageShape = { 1: () => NODE };
const MODEL: MessageShape = { 7: () => GRAPH };

/** Nodes that are looked at, from the graph's beginning. */
const FIRST = 8;

/**
 * Whether a graph centres its pixels by itself, as those that came from MXNet do (SFace, older ArcFaces): there is a
 * subtraction and a multiplication among its first nodes, told by the nodes' names. This is insightface's own rule, so
 * its verdict is the same.
 * @throws RunnerError `MODEL_INVALID` when the file isn't ONNX
 */
export function centresItsPixels(file: string): boolean {
  const names: string[] = [];
  let name = '';
  walkProtobuf(
    file,
    MODEL,
    {
      text: (text, field) => (name = field === 3 ? text : name),
      end(shape) {
        if (shape !== NODE) return;
        if (names.length < FIRST) names.push(name);
        name = '';
      },
    },
    { maxTextBytes: 4096, maxDepth: 10 },
  );
  const has = (...starts: readonly string[]): boolean =>
    names.some((candidate) => starts.some((start) => candidate.startsWith(start)));
  return has('Sub', '_minus') && has('Mul', '_mul');
}
