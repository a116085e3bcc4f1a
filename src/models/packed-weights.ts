import { walkProtobuf, type MessageShape } from './protobuf.js';

/** Key and value of one entry of `TensorProto.external_data`. */
const ENTRY: MessageShape = { 1: 'text', 2: 'text' };
const WEIGHT: MessageShape = { 13: () => ENTRY };
const GRAPH: MessageShape = { 5: () => WEIGHT };
const MODEL: MessageShape = { 7: () => GRAPH };
const LIMITS = { maxTextBytes: 4096, maxDepth: 100 };

/** The kernels load packed weights in pieces of this size, with instructions that end the process where they lie otherwise. */
const ALIGNMENT = 64;

/**
 * Whether the packed weights of a saved graph lie where the kernels can read them. The runtime (1.30) writes each right behind the
 * weight that it was made of, so all is well while the sizes of weights are multiples of 64 bytes, as those of most models are.
 * @throws RunnerError `MODEL_INVALID` when the file isn't well-formed
 */
export function areWeightsAligned(file: string): boolean {
  return packedOffsets(file).every((offset) => offset % ALIGNMENT === 0);
}

/** Where packed weights begin in the file beside the graph. */
function packedOffsets(file: string): readonly number[] {
  const offsets: number[] = [];
  let entry: Record<number, string> = {};
  walkProtobuf(
    file,
    MODEL,
    {
      text: (text, field) => (entry[field] = text),
      end(shape) {
        if (shape !== ENTRY) return;
        // `prepacked_0` = `<kernel>|<offset>;<bytes>;…|<offset>;<bytes>;…`
        const [, ...pieces] = entry[1]?.startsWith('prepacked_') === true ? (entry[2] ?? '').split('|') : [];
        offsets.push(...pieces.map((piece) => Number.parseInt(piece, 10)));
        entry = {};
      },
    },
    LIMITS,
  );
  return offsets;
}
