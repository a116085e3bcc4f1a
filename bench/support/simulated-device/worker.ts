import { parentPort, workerData } from 'node:worker_threads';
import { RunnerError } from '../../../src/errors.js';
import { ThreadServer, type OpenUnit } from '../../../src/pool/thread.js';
import { SessionThread } from '../../../src/pool/session-thread.js';
import type { ThreadRequest, WorkerData, WorkerSettings } from '../../../src/pool/protocol.js';
import { Decoders } from './decoders.js';
import { readShape } from './shape.js';

/**
 * What `src/worker.ts` is to a real device: a thread with the library's own `ThreadServer` and `SessionThread`. The session
 * there waits a + b·n milliseconds for a batch of n, and decoders here wait, too.
 */
function serveDevice({ settings, shared, threads }: WorkerData): (request: ThreadRequest) => Promise<void> {
  const [task] = settings.tasks;
  if (task?.module === undefined) throw new RunnerError('OPTIONS_INVALID', 'The simulated device needs its shape.');
  const { module, name } = task;
  const { decodeMs, decoders: parallel } = readShape(module);
  const decoders = new Decoders(parallel, decodeMs);
  const server = new ThreadServer(
    {
      open: async () => [await openUnit(name, module, settings)],
      read: async (item, _units, { measure, admit }) => {
        await measure('decode', async () => {
          await admit(1);
          await decoders.decode();
        });
        return 'path' in item.input ? item.input.path : '';
      },
      readConcurrency: settings.image.decodeConcurrency,
      decodedBytes: settings.image.maxDecodedBytes,
      runsAhead: true,
    },
    shared,
    threads,
  );
  return (request) => server.handle(request, (said) => parentPort?.postMessage(said));
}

async function openUnit(
  task: string,
  shape: string,
  { session: settings, maxBatch }: WorkerSettings,
): Promise<OpenUnit> {
  const session = await new SessionThread().open(shape, settings);
  return {
    task,
    label: 'simulated',
    device: session.device,
    maxBatch,
    prepare: (input) => input,
    async run(inputs) {
      const type = 'float32';
      await session.run({ pixels: { type, data: new Float32Array(inputs.length), dims: [inputs.length] } });
      return inputs;
    },
  };
}

export default serveDevice(workerData as WorkerData);
