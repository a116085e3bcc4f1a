// node bench/support/prepared-run.js <graph.onnx> <shape, as 1x3x640x640>: how long a run of a graph with one input takes, as the
// graph is and as it is prepared for this machine, in turn; and how far apart their numbers are.
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { openSession } from './bare-session.js';
import { outputOf, removeFolder, temporaryFolder } from './children.js';
import { median } from './report.js';

const ROUNDS = 15;
const [graph, shape] = process.argv.slice(2);
const dims = shape.split('x').map(Number);
const data = Float32Array.from({ length: dims.reduce((product, side) => product * side, 1) }, (_, i) =>
  Math.sin(i / 97),
);

const folder = temporaryFolder('clip-runner-bench-');
try {
  const prepared = path.join(folder, 'model.onnx');
  const prepare = path.resolve(import.meta.dirname, '../../dist/prepare.js');
  await outputOf(process.execPath, [prepare, graph, prepared, 'weights.bin']);
  const sides = {
    'as it is': await openSession(graph),
    prepared: await openSession(prepared, { graphOptimizationLevel: 'disabled' }),
  };
  const times = { 'as it is': [], prepared: [] };
  const answers = {};
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, session] of Object.entries(sides)) {
      const startedAt = performance.now();
      const outputs = await session.run({ [session.inputNames[0]]: new Tensor('float32', data, dims) });
      // The first run makes room.
      if (round > 0) times[side].push(performance.now() - startedAt);
      answers[side] = outputs[session.outputNames[0]].data;
    }
  }
  for (const [side, list] of Object.entries(times)) {
    console.log(
      `${side.padEnd(10)}${median(list).toFixed(1)} ms (${Math.min(...list).toFixed(1)} – ${Math.max(...list).toFixed(1)})`,
    );
  }
  const apart = answers.prepared.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - answers['as it is'][i])),
    0,
  );
  console.log(`apart by ${apart.toExponential(1)} at most`);
} finally {
  removeFolder(folder);
}
