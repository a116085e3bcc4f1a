// node bench/support/open-session.js <graph.onnx>: how long a session takes to open and how much memory the process has at
// its peak, with the graph as it is and as it was prepared for this machine; each in a process of its own.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { outputOf, removeFolder, temporaryFolder } from './children.js';

const [graph, mode] = process.argv.slice(2);
if (mode === undefined) await compare();
else await measure(mode);

async function compare() {
  const folder = temporaryFolder('clip-runner-bench-');
  try {
    const prepared = path.join(folder, 'model.onnx');
    await call([path.resolve(import.meta.dirname, '../../dist/prepare.js'), graph, prepared, 'weights.bin']);
    for (const [file, level] of [
      [graph, 'all'],
      [prepared, 'disabled'],
      [graph, 'all'],
      [prepared, 'disabled'],
    ]) {
      console.log(`${level === 'all' ? 'as it is ' : 'prepared'} ${await call([import.meta.filename, file, level])}`);
    }
  } finally {
    removeFolder(folder);
  }
}

async function call(args) {
  return (await outputOf(process.execPath, args)).trim();
}

async function measure(graphOptimizationLevel) {
  const startedAt = performance.now();
  const session = await InferenceSession.create(graph, { graphOptimizationLevel, logSeverityLevel: 3 });
  const ms = performance.now() - startedAt;
  await session.run(Object.fromEntries(session.inputMetadata.map((input) => [input.name, zeros(input)])));
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  console.log(`opened in ${ms.toFixed(0)} ms, peak memory ${Math.round(kib / 1024)} MiB`);
}

/** One row of zeros; axes without a size have 8. */
function zeros({ type, shape }) {
  const dims = shape.map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? 1 : 8));
  const length = dims.reduce((product, size) => product * size, 1);
  const data = type === 'int64' ? new BigInt64Array(length) : new Float32Array(length);
  return new Tensor(type, data, dims);
}
