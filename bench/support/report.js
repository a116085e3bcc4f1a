// What every bench prints: the machine, then medians with their spread, and the same as JSON beside.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function describeMachine(root, packages) {
  const versions = packages.map((name) => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8'));
    return `${name} ${version}`;
  });
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.version,
    versions,
  };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `rows`: { name: number[] }, one number per round. Ratios are medians of the pairwise ratios to the first row. */
export function printTable(rows, unit) {
  const [[baseName, base]] = Object.entries(rows);
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  console.log(`${''.padEnd(width)}  ${`median ${unit}`.padStart(16)}  ${'min – max'.padStart(15)}  to "${baseName}"`);
  for (const [name, values] of Object.entries(rows)) {
    const ratio = ratioOf(values, base);
    const spread = `${Math.min(...values).toFixed(2)} – ${Math.max(...values).toFixed(2)}`;
    console.log(
      `${name.padEnd(width)}  ${median(values).toFixed(2).padStart(16)}  ${spread.padStart(15)}  ${ratio.toFixed(3)}`,
    );
  }
}

/** The median of one row's ratios to another, round by round. */
export function ratioOf(values, base) {
  return median(values.map((value, round) => value / base[round]));
}

/** `goals`: { what, value, atLeast } or { what, value, atMost }; answers them with `isMet`. */
export function printGoals(goals) {
  console.log('\nGoals');
  return goals.map((goal) => {
    const isMet = goal.atLeast === undefined ? goal.value <= goal.atMost : goal.value >= goal.atLeast;
    const bound = goal.atLeast === undefined ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`;
    console.log(`  ${goal.what}: ${bound}; ${goal.value.toFixed(3)}, ${isMet ? 'met' : 'MISSED'}`);
    return { ...goal, isMet };
  });
}

export function saveJson(root, name, data) {
  const file = path.join(root, 'bench', 'results', `${name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(data, null, 2)}\n`);
  console.log(`\nAs JSON: ${path.relative(root, file)}`);
}
