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

/** `rows`: { name: number[] }, one number per round. Ratios are those of the medians to the first row's, and by round. */
export function printTable(rows, unit) {
  const [[baseName, base]] = Object.entries(rows);
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  console.log(
    `${''.padEnd(width)}  ${`median ${unit}`.padStart(16)}  ${'min – max'.padStart(15)}  to "${baseName}" (by round)`,
  );
  for (const [name, values] of Object.entries(rows)) {
    const { value, rounds } = compare(values, base);
    const cells = [median(values).toFixed(2).padStart(16), spreadOf(values, 2).padStart(15)];
    console.log(`${name.padEnd(width)}  ${cells.join('  ')}  ${value.toFixed(3)} (${spreadOf(rounds, 3)})`);
  }
}

/** One row against another: `value`, the ratio of their medians, and the ratios round by round. */
export function compare(values, base) {
  return { value: median(values) / median(base), rounds: values.map((value, round) => value / base[round]) };
}

export function spreadOf(values, digits) {
  return `${Math.min(...values).toFixed(digits)} – ${Math.max(...values).toFixed(digits)}`;
}

/**
 * `goals`: { what, value, atLeast } or { what, value, atMost }, with `rounds` where there is one value a round; answers them
 * with `isMet`.
 */
export function printGoals(goals) {
  console.log('\nGoals');
  return goals.map((goal) => {
    const isMet = goal.atLeast === undefined ? goal.value <= goal.atMost : goal.value >= goal.atLeast;
    const bound = goal.atLeast === undefined ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`;
    const byRound = goal.rounds === undefined ? '' : ` (by round ${spreadOf(goal.rounds, 3)})`;
    console.log(`  ${goal.what}: ${bound}; ${goal.value.toFixed(3)}${byRound}, ${isMet ? 'met' : 'MISSED'}`);
    return { ...goal, isMet };
  });
}

export function saveJson(root, name, data) {
  const file = path.join(root, 'bench', 'results', `${name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(data, null, 2)}\n`);
  console.log(`\nAs JSON: ${path.relative(root, file)}`);
}
