import { expect, it } from 'vitest';

import { RecentCount } from '../../../src/recent-count.js';

it('counts what came within the window, and forgets what is older', () => {
  const recent = new RecentCount(1000);
  expect(recent.total(0)).toBe(0);
  for (const atMs of [0, 5, 500, 505, 1000]) recent.add(atMs);
  expect(recent.total(1000)).toBe(5);
  expect(recent.total(1006)).toBe(3);
  expect(recent.total(1501)).toBe(1);
  expect(recent.total(2001)).toBe(0);
});

it('is right for a long time at many a millisecond', () => {
  const recent = new RecentCount(1000);
  for (let atMs = 0; atMs < 20_000; atMs += 0.25) recent.add(atMs);
  const total = recent.total(20_000);
  expect(total).toBeLessThanOrEqual(4000);
  expect(total).toBeGreaterThanOrEqual(3960);
});
