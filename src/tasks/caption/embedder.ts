import { RunnerError } from '../../errors.js';
import type { Session, TensorData } from '../../tensor.js';

/** Looks the embeddings of ids up, for graphs that take these instead of ids: [rows, length, width]. */
export type Embedder = (rows: readonly (readonly number[])[]) => Promise<TensorData>;

/**
 * Reads a graph that holds a table of ids, as `embed_tokens` of Florence-2 does.
 * @throws RunnerError `MODEL_INVALID`
 */
export function openEmbedder(session: Session, file: string): Embedder {
  const [input] = session.inputs;
  const [output] = session.outputs;
  const isTable = session.inputs.length === 1 && (input?.type === 'int64' || input?.type === 'int32');
  if (input === undefined || output === undefined || !isTable) {
    const found = session.inputs.map(({ name, type }) => `${name} ${type}`).join(', ');
    throw new RunnerError('MODEL_INVALID', `${file}: expected one input [batch, length] of ids, got ${found}.`);
  }
  return async (rows) => {
    const outputs = await session.run({ [input.name]: idTensor(rows, input.type) });
    const embeddings = outputs[output.name];
    if (embeddings?.dims.length === 3) return embeddings;
    throw new RunnerError('RUN_FAILED', `${file}: expected embeddings [batch, length, width].`);
  };
}

/** Rows of ids, all of one length, as a tensor [rows, length]. */
export function idTensor(rows: readonly (readonly number[])[], type: string): TensorData {
  const ids = rows.flat();
  const data = type === 'int32' ? Int32Array.from(ids) : BigInt64Array.from(ids.map(BigInt));
  return { type, data, dims: [rows.length, rows[0]?.length ?? 0] };
}
