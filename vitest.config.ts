import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';

/** For two processors. With three workers they were idle for a third of a run: tests wait for Redis, networks and clocks. */
const WORKERS = 4;
const common = {
  ...({ globals: false, pool: 'forks', isolate: true, maxWorkers: WORKERS } as const),
  // Against what hangs, not against what is slow: other programs may want the processors, too.
  testTimeout: 300_000,
  hookTimeout: 300_000,
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    maxWorkers: WORKERS,
    projects: [
      { test: { ...common, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      // Real Redis, real threads on the built dist/, real HTTP.
      { test: { ...common, name: 'integration', include: ['test/integration/**/*.test.ts'] } },
    ],
  },
});
