import { defineConfig } from 'tsup';

/** The gallery is no part of the package: it is built beside it, from the root of the repository. */
export default defineConfig({
  entry: { main: 'examples/gallery/server/main.ts', demo: 'examples/gallery/server/demo.ts' },
  outDir: 'examples/gallery/dist',
  format: ['esm'],
  target: 'node20',
  // Modules of the repository are bundled, packages are not.
  external: [/^[^.]/],
  clean: true,
});
