// npm run bench -- clustering: time, peak memory and quality of both ways to cluster faces, on made faces whose people are
// known. BENCH_FACES, BENCH_PEOPLE and BENCH_SEED change what is made; BENCH_SWEEP=1 tries other thresholds as well.
// BENCH_ROUNDS (5).
import path from 'node:path';
import { outputOf } from './support/children.js';
import { describeMachine, median, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const faces = Number(process.env.BENCH_FACES ?? 20_000);
const people = Number(process.env.BENCH_PEOPLE ?? 800);
const seed = Number(process.env.BENCH_SEED ?? 1);
const goals = { seconds: 60, peakRssMiB: 1024 };
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const sweep = process.env.BENCH_SWEEP === '1';
const runs = [
  ...(sweep ? [0.3, 0.36, 0.48, 0.54, 0.6] : []).map((threshold) => ['greedy', threshold]),
  ['greedy', '-'],
  ...(sweep ? [0.5, 0.55, 0.65, 0.7] : []).map((threshold) => ['linkage', threshold]),
  ['linkage', '-'],
];

const machine = describeMachine(root, []);
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}`);
console.log(
  `${faces} made faces of 512 values, ${people} people and strangers, seed ${seed}; "-" is the default threshold; ` +
    `medians of ${rounds} rounds, interleaved\n`,
);
console.log(
  'method   threshold  seconds      min – max  of processor  peak MiB  adjusted Rand index  clusters  of 2 or more',
);

const measured = runs.map(() => []);
for (let round = 0; round < rounds; round++) {
  for (const [index, [method, threshold]] of runs.entries()) {
    const script = path.join('bench', 'support', 'cluster-once.js');
    const args = [script, method, threshold, faces, people, seed];
    measured[index].push(JSON.parse(await outputOf(process.execPath, args, root)));
  }
}
// The clusters are the same in each round; time and memory are not.
const rows = runs.map(([method, threshold], index) => {
  const medians = ['seconds', 'processorSeconds', 'peakRssMiB'].map((name) => [
    name,
    median(measured[index].map((one) => one[name])),
  ]);
  const row = { ...measured[index][0], ...Object.fromEntries(medians) };
  const seconds = measured[index].map((one) => one.seconds);
  console.log(
    [
      method.padEnd(7),
      String(threshold).padStart(10),
      row.seconds.toFixed(1).padStart(8),
      `${Math.min(...seconds).toFixed(1)} – ${Math.max(...seconds).toFixed(1)}`.padStart(13),
      row.processorSeconds.toFixed(1).padStart(13),
      row.peakRssMiB.toFixed(0).padStart(9),
      row.adjustedRandIndex.toFixed(4).padStart(20),
      String(row.clusters).padStart(9),
      String(row.clustersOfTwoOrMore).padStart(13),
    ].join(' '),
  );
  return row;
});

const [greedy, linkage] = ['greedy', 'linkage'].map((method) =>
  rows.find((row) => row.method === method && row.threshold === '-'),
);
const isMet = {
  time: [greedy, linkage].every(({ seconds }) => seconds < goals.seconds),
  memory: [greedy, linkage].every(({ peakRssMiB }) => peakRssMiB < goals.peakRssMiB),
  quality: linkage.adjustedRandIndex > greedy.adjustedRandIndex,
};
console.log(
  `\nGoals, set for 20,000 faces: under ${goals.seconds} s ${isMet.time ? 'met' : 'missed'}, ` +
    `under ${goals.peakRssMiB} MiB ${isMet.memory ? 'met' : 'missed'}, ` +
    `linkage better than greedy ${isMet.quality ? 'met' : 'missed'}`,
);
saveJson(root, 'clustering', { machine, faces, people, seed, rounds, goals, isMet, rows, measured });
