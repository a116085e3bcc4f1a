import { defineConfig } from 'tsup';

export default defineConfig({
  // The worker entry stays flat beside the others: threads are started from `dist/worker.js`.
  entry: { index: 'src/index.ts', worker: 'src/worker.ts', cli: 'src/cli.ts' },
  format: ['esm'],
  target: 'node20',
  dts: { entry: { index: 'src/index.ts' } },
  // The code is not minified, so stacks can be read without maps; a map would double the package.
  sourcemap: false,
  // Optional dependencies are not left out by themselves.
  external: ['prom-client'],
  clean: true,
});
