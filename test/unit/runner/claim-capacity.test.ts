import { expect, it } from 'vitest';

import { ClaimCapacity } from '../../../src/claim-capacity.js';

/** As many jobs a millisecond are done until then. */
function work(capacity: ClaimCapacity, { fromMs, toMs, aMs }: { fromMs: number; toMs: number; aMs: number }): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 1) {
    for (let i = 0; i < aMs; i++) capacity.countDone(nowMs);
  }
}

it('holds what is done in 20 ms, between its bounds', () => {
  const capacity = new ClaimCapacity({ atLeast: 32, atMost: 1024 });
  expect(capacity.at(0)).toBe(32);
  work(capacity, { fromMs: 0, toMs: 500, aMs: 1 });
  expect(capacity.at(500), '20 are fewer than it may hold in any case').toBe(32);
  work(capacity, { fromMs: 500, toMs: 1000, aMs: 10 });
  expect(capacity.at(1000)).toBeGreaterThan(190);
  expect(capacity.at(1000)).toBeLessThan(210);
  work(capacity, { fromMs: 1000, toMs: 1500, aMs: 100 });
  expect(capacity.at(1500)).toBe(1024);
});

it('forgets within a tenth of a second how short jobs were', () => {
  const capacity = new ClaimCapacity({ atLeast: 32, atMost: 1024 });
  work(capacity, { fromMs: 0, toMs: 200, aMs: 50 });
  expect(capacity.at(200)).toBeGreaterThan(900);
  work(capacity, { fromMs: 200, toMs: 302, aMs: 1 });
  expect(capacity.at(302)).toBe(32);
  expect(capacity.at(10_000)).toBe(32);
});

it('is what it was told to be where both bounds are the same', () => {
  const capacity = new ClaimCapacity({ atLeast: 4, atMost: 4 });
  work(capacity, { fromMs: 0, toMs: 200, aMs: 50 });
  expect(capacity.at(200)).toBe(4);
});
