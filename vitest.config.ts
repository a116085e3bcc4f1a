import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';

const common = {
  globals: false,
  pool: 'forks',
  isolate: true,
  hookTimeout: 60_000,
  sequence: { groupOrder: 0 },
} as const;
/** Of two processors; integration tests wait for Redis, networks and clocks for a third of their time. */
const WORKERS = 3;

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    maxWorkers: WORKERS,
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          maxWorkers: WORKERS,
          testTimeout: 30_000,
        },
      },
      {
        // Real Redis, real threads on the built dist/, real HTTP.
        test: {
          ...common,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          maxWorkers: WORKERS,
          testTimeout: 120_000,
        },
      },
    ],
  },
});
