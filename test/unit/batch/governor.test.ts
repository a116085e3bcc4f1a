import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchGovernor } from '../../../src/batch/governor.js';

const full = { rssBytes: 90, limitBytes: 100 };
const between = { rssBytes: 80, limitBytes: 100 };
const empty = { rssBytes: 50, limitBytes: 100 };

describe('BatchGovernor', () => {
  it('halves batches above the watermark, and gives each halving two seconds to show', () => {
    const governor = new BatchGovernor(8);
    expect(governor.observe(full, 0)).toBe(true);
    expect(governor.size).toBe(4);
    expect(governor.observe(full, 1999)).toBe(false);
    expect(governor.size).toBe(4);
    governor.observe(full, 2000);
    governor.observe(full, 4000);
    expect(governor.size).toBe(1);
    expect(governor.observe(full, 60_000)).toBe(false);
    expect(governor.size).toBe(1);
  });

  it('lets them grow again when there has been room for ten seconds, up to what they were', () => {
    const governor = new BatchGovernor(6);
    governor.observe(full, 0);
    expect(governor.size).toBe(3);
    expect(governor.observe(empty, 9999)).toBe(false);
    expect(governor.observe(empty, 10_000)).toBe(true);
    expect(governor.size).toBe(6);
    expect(governor.observe(empty, 30_000)).toBe(false);
  });

  it('leaves them as they are between the two marks, and without a limit', () => {
    const governor = new BatchGovernor(8);
    governor.observe(full, 0);
    expect(governor.observe(between, 60_000)).toBe(false);
    expect(new BatchGovernor(8).observe({ rssBytes: 1e12, limitBytes: 0 }, 0)).toBe(false);
  });

  it('stays within 1 and the largest batch, whatever it sees', () => {
    const views = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 20_000 })));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), views, (maxBatch, seen) => {
        const governor = new BatchGovernor(maxBatch);
        let nowMs = 0;
        for (const [rssBytes, laterMs] of seen) {
          nowMs += laterMs;
          governor.observe({ rssBytes, limitBytes: 100 }, nowMs);
          expect(governor.size).toBeGreaterThanOrEqual(1);
          expect(governor.size).toBeLessThanOrEqual(maxBatch);
        }
      }),
    );
  });
});
