// npm run bench -- simulated-device: how near batches come to what devices of a given latency (a + b·n milliseconds for a
// batch of n) and decoders of a given rate could do, for 1, 2 and 8 devices, and what a lone photo waits for. The way is the
// library's own from the queue to the callback; only the device and the decoders are simulated: they wait.
// BENCH_ROUNDS (5), BENCH_BATCH (8), BENCH_SECONDS (2 a measurement, after as long to warm up), BENCH_DEVICES (1,2,8).
import path from 'node:path';
import { outputOf } from './support/children.js';
import { buildSimulation } from './support/simulated-device/build.js';
import { describeMachine, median, printGoals, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const batch = Number(process.env.BENCH_BATCH ?? 8);
const seconds = Number(process.env.BENCH_SECONDS ?? 2);
const deviceCounts = (process.env.BENCH_DEVICES ?? '1,2,8').split(',').map(Number);
const DECODERS = 4;
const SINGLES = 20;
const GOALS = { share: 0.95, extraMs: 5 };
const DEVICES = [
  { fixedMs: 5, itemMs: 0.5 },
  { fixedMs: 20, itemMs: 0.1 },
];
/** Photos that decoders could do in the time of one that the device could do. */
const DECODERS_TO_DEVICE = { faster: 2, slower: 0.5 };
const ISOLATIONS = ['thread', 'process'];

const machine = describeMachine(root, ['piscina']);
console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
console.log(
  `Batches of ${batch}, ${rounds} rounds interleaved, about ${seconds} s each after as long to warm up. Ideal: every device always busy with full batches, ` +
    'n / (a + b·n) photos/s, or its decoders always busy, if that is less.\n',
);

const bundle = await buildSimulation(root, path.join(root, 'bench', '.cache'));
const cases = DEVICES.flatMap((device) =>
  Object.entries(DECODERS_TO_DEVICE).flatMap(([decoding, factor]) =>
    deviceCounts.flatMap((devices) =>
      ISOLATIONS.map((isolation) => makeCase({ device, decoding, factor, devices, isolation })),
    ),
  ),
);
for (let round = 0; round < rounds; round++) {
  for (const one of cases) one.runs.push(await measure(one));
}
printCases();
const goals = printGoals([
  ...cases.map((one) => ({ what: `${describe(one)}, photos/s to the ideal`, ...shareOf(one), atLeast: GOALS.share })),
  ...cases.map((one) => ({
    what: `${describe(one)}, a lone photo's ms beyond`,
    ...extraOf(one),
    atMost: GOALS.extraMs,
  })),
]);
saveJson(root, 'simulated-device', { machine, batch, rounds, seconds, decoders: DECODERS, cases, goals });

function makeCase({ device: { fixedMs, itemMs }, decoding, factor, devices, isolation }) {
  const devicePerMs = batch / (fixedMs + itemMs * batch);
  const shape = { fixedMs, itemMs, decoders: DECODERS, decodeMs: DECODERS / (devicePerMs * factor) };
  const ideal = devices * Math.min(devicePerMs, DECODERS / shape.decodeMs) * 1000;
  return { shape, decoding, devices, isolation, ideal, runs: [] };
}

async function measure({ shape, devices, isolation, ideal }) {
  const whole = batch * devices;
  const count = Math.ceil((ideal * seconds) / whole) * whole;
  // Every thread compiles what it runs often, for a second or so.
  const task = { shape, devices, isolation, batch, warmUp: count, count, singles: SINGLES };
  const script = path.join('bench', 'support', 'simulated-device', 'runner.js');
  return JSON.parse(await outputOf(process.execPath, [script, bundle, JSON.stringify(task)], root));
}

function printCases() {
  const header = [
    'a + b·n ms',
    'decoders',
    'devices',
    'models in a',
    'ideal/s',
    'photos/s',
    'min – max',
    'of ideal',
    'lone photo ms (a + b + decoding)',
    'ms/photo',
  ];
  const rows = cases.map(({ shape: { fixedMs, itemMs, decodeMs }, decoding, devices, isolation, ideal, runs }) => {
    const rates = runs.map(({ perSecond }) => perSecond);
    const single = median(runs.map(({ singleMs }) => median(singleMs)));
    return [
      `${fixedMs} + ${itemMs}·n`,
      `${decoding}, ${decodeMs.toFixed(1)} ms`,
      String(devices),
      isolation,
      ideal.toFixed(0),
      median(rates).toFixed(0),
      `${Math.min(...rates).toFixed(0)} – ${Math.max(...rates).toFixed(0)}`,
      (median(rates) / ideal).toFixed(3),
      `${single.toFixed(1)} (${(fixedMs + itemMs + decodeMs).toFixed(1)})`,
      median(runs.map(({ processorMs }) => processorMs)).toFixed(3),
    ];
  });
  const table = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...table.map((cells) => cells[column].length)));
  for (const cells of table)
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  console.log('\nms/photo: processor time of the process with the queue, lone photos and warm-up included.');
}

function describe({ shape: { fixedMs, itemMs }, decoding, devices, isolation }) {
  return `${fixedMs} + ${itemMs}·n, decoders ${decoding}, ${devices} in a ${isolation}`;
}

function shareOf({ runs, ideal }) {
  const rounds = runs.map(({ perSecond }) => perSecond / ideal);
  return { value: median(rounds), rounds };
}

/** What a lone photo waits for beyond device and decoder. */
function extraOf({ shape: { fixedMs, itemMs, decodeMs }, runs }) {
  const rounds = runs.map(({ singleMs }) => median(singleMs) - (fixedMs + itemMs + decodeMs));
  return { value: median(rounds), rounds };
}
