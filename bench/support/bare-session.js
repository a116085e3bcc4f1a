// A graph and nothing else: `session.run` on tensors that are there already, with the session settings of the library.
import os from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const MOST = 16;

const LIBRARY = {
  intraOpNumThreads: os.availableParallelism(),
  extra: { session: { intra_op: { allow_spinning: '0' } } },
};
/** onnxruntime's own: a thread for each physical core, and threads that wait by spinning. */
const DEFAULTS = {};
/** The two of which a floor takes the one that is faster here. */
export const SETTINGS = [LIBRARY, DEFAULTS];

export function openSession(file, settings = LIBRARY) {
  return InferenceSession.create(file, {
    executionProviders: ['cpu'],
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    ...settings,
  });
}

/** The best of what `measure(open)` answers with each of `SETTINGS`. */
export async function bestOfSessions(measure) {
  const rates = [];
  for (const settings of SETTINGS) {
    const opened = [];
    rates.push(
      await measure(async (file) => {
        const session = await openSession(file, settings);
        opened.push(session);
        return session;
      }),
    );
    for (const session of opened) await session.release();
  }
  return Math.max(...rates);
}

/** A function `(count, limit)` that runs the graph over so many pictures of `side` x `side` pixels, at most `limit` a run. */
export async function openBare(file, side, open = openSession) {
  const session = await open(file);
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
