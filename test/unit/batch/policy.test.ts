import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideBatch, measureBatch, type BatchView } from '../../../src/batch/policy.js';

const busy: BatchView = {
  waiting: 3,
  isFull: false,
  oldestAtMs: 100,
  nowMs: 105,
  maxWaitMs: 20,
  idleThreads: 0,
  freeSlots: 1,
  isFlushing: false,
};

describe('decideBatch', () => {
  it('sends a lone item at once while a thread is idle', () => {
    expect(decideBatch({ ...busy, waiting: 1, idleThreads: 1, nowMs: 100 })).toEqual({ kind: 'send' });
  });

  it('prepares a full batch ahead while the device is busy', () => {
    expect(decideBatch({ ...busy, isFull: true })).toEqual({ kind: 'send' });
  });

  it('lets a part batch wait for the rest of maxWaitMs while the device is busy', () => {
    expect(decideBatch(busy)).toEqual({ kind: 'wait', ms: 15 });
  });

  it('sends a part batch when its oldest item has waited maxWaitMs', () => {
    expect(decideBatch({ ...busy, nowMs: 120 })).toEqual({ kind: 'send' });
  });

  it('rests while no thread has room, however full or old the batch is', () => {
    expect(decideBatch({ ...busy, freeSlots: 0, isFull: true, nowMs: 9999, isFlushing: true })).toEqual({
      kind: 'rest',
    });
  });

  it('rests with nothing waiting', () => {
    expect(decideBatch({ ...busy, waiting: 0, idleThreads: 1 })).toEqual({ kind: 'rest' });
  });

  it('waits for nobody when flushing', () => {
    expect(decideBatch({ ...busy, isFlushing: true })).toEqual({ kind: 'send' });
  });

  it('never lets an item wait longer than maxWaitMs while there is room', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(100), (oldestAtMs, waited, maxWaitMs) => {
        const decision = decideBatch({ ...busy, oldestAtMs, nowMs: oldestAtMs + waited, maxWaitMs });
        const until = decision.kind === 'wait' ? waited + decision.ms : waited;
        expect(decision.kind).not.toBe('rest');
        expect(until).toBeLessThanOrEqual(Math.max(waited, maxWaitMs));
      }),
    );
  });
});

describe('measureBatch', () => {
  const items = (count: number, tasks = ['clip'], bytes = 1) => Array.from({ length: count }, () => ({ tasks, bytes }));
  const limits = { maxBatch: 4, maxBatchBytes: 100 };

  it('counts per task, so that photos for different models share a batch', () => {
    const mixed = [...items(3, ['clip']), ...items(3, ['face'])];
    expect(measureBatch(mixed, limits)).toEqual({ count: 6, isFull: false });
  });

  it('is full when one model has its maxBatch', () => {
    expect(measureBatch(items(4), limits)).toEqual({ count: 4, isFull: true });
    expect(measureBatch(items(9), limits)).toEqual({ count: 4, isFull: true });
  });

  it('ends before the bytes are exceeded', () => {
    expect(measureBatch(items(3, ['clip'], 40), limits)).toEqual({ count: 2, isFull: true });
  });

  it('lets a single item that is too large go alone', () => {
    expect(measureBatch(items(2, ['clip'], 400), limits)).toEqual({ count: 1, isFull: true });
  });

  it('never exceeds a limit and never answers an empty batch for items', () => {
    const item = fc.record({ tasks: fc.subarray(['a', 'b', 'c'], { minLength: 1 }), bytes: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 30 }), (list) => {
        const { count } = measureBatch(list, limits);
        const batch = list.slice(0, count);
        expect(count).toBeGreaterThan(0);
        for (const task of ['a', 'b', 'c']) {
          expect(batch.filter(({ tasks }) => tasks.includes(task)).length).toBeLessThanOrEqual(limits.maxBatch);
        }
        if (count > 1)
          expect(batch.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(limits.maxBatchBytes);
      }),
    );
  });
});
