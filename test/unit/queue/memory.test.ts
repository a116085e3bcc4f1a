import { describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import { type MemoryQueue, memoryQueue } from '../../../src/queue/memory.js';
import { describeQueueContract } from '../../support/queue-contract.js';
import { memoryModelWorld } from '../../support/queue-model-memory.js';
import { describeQueueModel } from '../../support/queue-model.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const never = new AbortController().signal;

describe('memoryQueue', () => {
  let queue: MemoryQueue;
  const makeHarness = () =>
    Promise.resolve({
      create: (options: object) => (queue = memoryQueue(options)),
      push: (...elements: readonly Buffer[]) => {
        queue.push(...elements);
        return Promise.resolve();
      },
      waiting: () => Promise.resolve(queue.waiting()),
      dead: () => Promise.resolve(queue.dead().map(({ entry }) => entry)),
      dispose: () => Promise.resolve(),
    });

  describe('keeps the contract', () => describeQueueContract(makeHarness));
  describe('keeps the model', () => describeQueueModel(() => Promise.resolve(memoryModelWorld()), 1));

  it('takes texts, bytes and objects', async () => {
    queue = memoryQueue();
    await queue.open();
    queue.push('text', Buffer.from('bytes'), { photo_id: 1 });
    const claims = await queue.claim(3, never);
    expect(claims.map(({ raw }) => raw.toString())).toEqual(['text', 'bytes', '{"photo_id":1}']);
    await queue.close();
  });

  it('does not see what is done to the bytes after pushing them', async () => {
    queue = memoryQueue();
    await queue.open();
    const bytes = Buffer.from('abc');
    queue.push(bytes);
    bytes.fill(0);
    expect((await queue.claim(1, never))[0]!.raw.toString()).toBe('abc');
    await queue.close();
  });

  it('doubles the wait after each failure, by the clock it was given', async () => {
    const clock = new VirtualClock();
    queue = memoryQueue({ clock, random: () => 0, backoffBaseMs: 1000, maxAttempts: 9, claimTimeoutMs: 1 });
    await queue.open();
    queue.push('{}');
    for (const delayMs of [500, 1000, 2000]) {
      const [claim] = await queue.claim(1, never);
      expect(await queue.retry(claim!, { error: new RunnerError('FILE_IO', 'x') })).toMatchObject({ delayMs });
      await clock.advance(delayMs - 1);
      expect(queue.waiting()).toHaveLength(0);
      await clock.advance(1);
      expect(queue.waiting()).toHaveLength(1);
    }
    await queue.close();
  });

  it('leaves no timer behind when it closes', async () => {
    const clock = new VirtualClock();
    queue = memoryQueue({ clock });
    await queue.open();
    queue.push('{}');
    const [claim] = await queue.claim(1, never);
    await queue.retry(claim!, { error: new RunnerError('FILE_IO', 'x') });
    const waiting = queue.claim(1, never);
    await queue.close();
    await waiting;
    expect(clock.pending).toBe(0);
  });
});
