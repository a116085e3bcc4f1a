// npm run bench -- clustering: time, peak memory and quality of both ways to cluster faces, on made faces whose people are
// known. BENCH_FACES, BENCH_PEOPLE and BENCH_SEED change what is made; BENCH_SWEEP=1 tries other thresholds as well.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describeMachine, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const faces = Number(process.env.BENCH_FACES ?? 20_000);
const people = Number(process.env.BENCH_PEOPLE ?? 800);
const seed = Number(process.env.BENCH_SEED ?? 1);
const goals = { seconds: 60, peakRssMiB: 1024 };
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
  `${faces} made faces of 512 values, ${people} people and strangers, seed ${seed}; "-" is the default threshold\n`,
);
console.log('method   threshold  seconds  of processor  peak MiB  adjusted Rand index  clusters  of 2 or more');

const rows = runs.map(([method, threshold]) => {
  const script = path.join(root, 'bench', 'support', 'cluster-once.js');
  const args = [script, method, threshold, faces, people, seed].map(String);
  const row = JSON.parse(execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] }));
  console.log(
    [
      method.padEnd(7),
      String(threshold).padStart(10),
      row.seconds.toFixed(1).padStart(8),
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
saveJson(root, 'clustering', { machine, faces, people, seed, goals, isMet, rows });
