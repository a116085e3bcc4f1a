import { describe, expect, it } from 'vitest';
import { Batcher } from '../../../src/batch/batcher.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function setUp(threads = 1) {
  const clock = new VirtualClock();
  const sent: number[][] = [];
  let running = 0;
  const batcher = new Batcher<{ id: number; tasks: string[]; bytes: number }>(
    {
      idleThreads: () => Math.max(0, threads - running),
      freeSlots: () => threads * 2 - running,
      send: (items) => {
        running += 1;
        sent.push(items.map(({ id }) => id));
      },
    },
    { maxBatch: 3, maxBatchBytes: 1000, maxWaitMs: 20 },
    clock,
  );
  const push = (...ids: number[]): void => batcher.push(ids.map((id) => ({ id, tasks: ['clip'], bytes: 1 })));
  const finish = (): void => {
    running -= 1;
    batcher.pump();
  };
  return { clock, sent, batcher, push, finish };
}

describe('Batcher', () => {
  it('sends the first item at once, then one full batch ahead, and keeps the rest', () => {
    const { sent, push, batcher } = setUp();
    push(1);
    push(2, 3);
    expect(sent).toEqual([[1]]);
    push(4, 5, 6);
    expect(sent).toEqual([[1], [2, 3, 4]]);
    expect(batcher.size).toBe(2);
  });

  it('sends a part batch ahead after maxWaitMs and not before', async () => {
    const { clock, sent, push } = setUp();
    push(1);
    push(2);
    await clock.advance(19);
    expect(sent).toEqual([[1]]);
    await clock.advance(1);
    expect(sent).toEqual([[1], [2]]);
  });

  it('sends in the order of arrival when slots come free', () => {
    const { sent, push, finish } = setUp();
    push(1, 2, 3, 4, 5, 6, 7, 8);
    expect(sent).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    finish();
    finish();
    expect(sent.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('feeds every idle thread', () => {
    const { sent, push } = setUp(2);
    push(1);
    push(2);
    expect(sent).toEqual([[1], [2]]);
  });

  it('flushes part batches without a wait', () => {
    const { sent, push, batcher } = setUp();
    push(1);
    push(2);
    batcher.flush();
    expect(sent).toEqual([[1], [2]]);
  });

  it('hands back what was not sent and leaves no timer behind', async () => {
    const { sent, push, batcher, clock } = setUp();
    push(1);
    push(2, 3);
    expect(batcher.clear().map(({ id }) => id)).toEqual([2, 3]);
    expect(batcher.size).toBe(0);
    expect(clock.pending).toBe(0);
    await clock.advance(100);
    expect(sent).toEqual([[1]]);
  });
});
