import { parentPort } from 'node:worker_threads';
import { SessionServer } from '../../../src/pool/session-server.js';
import type { SessionRequest } from '../../../src/pool/protocol.js';
import type { Session } from '../../../src/tensor.js';
import { readShape } from './shape.js';

/** What `src/session-worker.ts` is to a real device: the library's own server of sessions, and a session that waits. */

function openSession(shape: string): Promise<Session> {
  const { fixedMs, itemMs } = readShape(shape);
  return Promise.resolve({
    inputs: [],
    outputs: [],
    device: 'cpu',
    async run(feeds) {
      // As onnxruntime-node does: with the next turn of the loop, and blocking the thread.
      await new Promise((resolve) => setImmediate(resolve));
      block(fixedMs + itemMs * (feeds['pixels']?.data.length ?? 0));
      return feeds;
    },
    close: () => Promise.resolve(),
  });
}

/** What Linux may add to a sleep (50 µs), and a little more for the way back. */
const SLACK_MS = 0.1;

/** A device is done when it is done: what a sleep would add to that is left out of it, and spent looking at the clock. */
function block(ms: number): void {
  const untilMs = performance.now() + ms;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, ms - SLACK_MS));
  while (performance.now() < untilMs);
}

const server = new SessionServer(openSession, (answer) => parentPort?.postMessage(answer));
parentPort?.on('message', (request: SessionRequest) => void server.handle(request));
