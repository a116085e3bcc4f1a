import { defineConfig } from 'tsup';

export default defineConfig({
  // Flat, beside each other: threads and processes are started from `dist/worker.js`, `session-worker.js`, `child.js` and
  // `prepare.js`.
  entry: {
    index: 'src/index.ts',
    worker: 'src/worker.ts',
    'session-worker': 'src/session-worker.ts',
    child: 'src/child.ts',
    prepare: 'src/prepare.ts',
    cli: 'src/cli.ts',
  },
  format: ['esm'],
  target: 'node20',
  dts: { entry: { index: 'src/index.ts' } },
  // The code is not minified, so stacks can be read without maps; a map would double the package.
  sourcemap: false,
  // Optional dependencies are not left out by themselves.
  external: ['prom-client'],
  clean: true,
});
