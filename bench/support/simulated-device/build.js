// The library as it is, but for what its threads hold: decoders and a session that wait, in the place of sharp and onnxruntime.
import path from 'node:path';
import { build } from 'tsup';

/** Bundles it below `cache` and answers the file that exports `createRunner`. */
export async function buildSimulation(root, cache) {
  const outDir = path.join(cache, 'simulated-device');
  const entry = {
    index: 'src/index.ts',
    child: 'src/child.ts',
    worker: 'bench/support/simulated-device/worker.ts',
    'session-worker': 'bench/support/simulated-device/session-worker.ts',
  };
  await build({
    ...{ entry, outDir, config: false, format: ['esm'], target: 'node20', dts: false, clean: true, silent: true },
    external: ['prom-client'],
  });
  return path.join(outDir, 'index.js');
}
