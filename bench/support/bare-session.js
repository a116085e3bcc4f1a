// A graph and nothing else: `session.run` on tensors that are there already, with the session settings of the library.
import os from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const MOST = 16;

export function openSession(file) {
  return InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: os.availableParallelism(),
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

/** A function `(count, limit)` that runs the graph over so many pictures of `side` x `side` pixels, at most `limit` a run. */
export async function openBare(file, side) {
  const session = await openSession(file);
  const [name] = session.inputNames;
  const values = Float32Array.from({ length: MOST * 3 * side * side }, (_, i) => Math.sin(i / 97));
  return async (count, limit) => {
    for (let left = count; left > 0; left -= limit) {
      const rows = Math.min(left, limit, MOST);
      const data = values.subarray(0, rows * 3 * side * side);
      await session.run({ [name]: new Tensor('float32', data, [rows, 3, side, side]) });
    }
  };
}
