import { expect, it } from 'vitest';
import type { ThreadItem, ThreadMessage } from '../../../src/pool/protocol.js';
import { ThreadServer, type OpenUnit } from '../../../src/pool/thread.js';

const unit: OpenUnit = {
  task: 'size',
  label: 'size',
  device: 'cpu',
  maxBatch: 8,
  prepare: (input) => input,
  run: (inputs) => inputs,
};

/** A thread whose inputs take `bytes` each of a budget of 100, and what it was seen to hold. */
function thread(bytes: readonly number[], whileHeld: () => Promise<void>) {
  const seen = { held: 0, most: 0 };
  const server = new ThreadServer<OpenUnit>(
    {
      open: () => Promise.resolve([unit]),
      readConcurrency: 8,
      decodedBytes: 100,
      read: async ({ input }, _units, { admit }) => {
        const own = bytes[Number('path' in input ? input.path : NaN)] ?? 0;
        await admit(own);
        seen.held += own;
        seen.most = Math.max(seen.most, seen.held);
        await whileHeld();
        seen.held -= own;
        if (own === 0) throw new Error('broken');
        return own;
      },
    },
    new Int32Array(new SharedArrayBuffer(8)),
    1,
  );
  return { server, seen };
}

async function run(server: ThreadServer<OpenUnit>, count: number): Promise<readonly ThreadMessage[]> {
  const messages: ThreadMessage[] = [];
  const items = Array.from({ length: count }, (_, index): ThreadItem => {
    return { input: { kind: 'image', path: String(index) }, isTrusted: true, tasks: ['size'] };
  });
  const port = { postMessage: (message: ThreadMessage) => messages.push(message), close: () => undefined };
  await server.handle({ type: 'batch', port, items });
  return messages;
}

it('holds no more decoded bytes at a time than it may, both batches together, and gives them back after failures', async () => {
  const sizes = [60, 40, 10, 0, 90, 100, 1, 1, 1, 1];
  const { server, seen } = thread(sizes, () => new Promise((resolve) => setTimeout(resolve, 2)));
  const both = await Promise.all([run(server, sizes.length), run(server, sizes.length)]);
  expect(seen.most).toBe(100);
  expect(seen.held).toBe(0);
  for (const messages of both) {
    const outcomes = messages.filter((message) => message.type === 'outcome');
    expect(outcomes.filter(({ outcome }) => outcome.ok)).toHaveLength(sizes.length - 1);
    expect(outcomes.find(({ item }) => item === 3)?.outcome.ok).toBe(false);
  }
});
