// What a process and all that it started take, as Linux tells it in /proc.
import { readdirSync, readFileSync } from 'node:fs';

const PAGE_MIB = 4096 / 2 ** 20;

/** Resident memory and open files of the process and its descendants together. One that ends meanwhile counts as nothing. */
export function measureProcesses(pid) {
  const pids = withDescendants(pid);
  const total = { rssMiB: 0, openFiles: 0, processes: 0 };
  for (const member of pids) {
    try {
      const [, residentPages] = readFileSync(`/proc/${member}/statm`, 'utf8').split(' ');
      const openFiles = readdirSync(`/proc/${member}/fd`).length;
      total.rssMiB += Number(residentPages) * PAGE_MIB;
      total.openFiles += openFiles;
      total.processes += 1;
    } catch (thrown) {
      if (thrown.code !== 'ENOENT' && thrown.code !== 'ESRCH') throw thrown;
    }
  }
  return total;
}

/**
 * Memory of the process and its descendants in MiB: `rss` counts a page in each process that has it, `pss` shares it out
 * among all that have it, so that a file which two processes map counts once.
 */
export function memoryOf(pid) {
  const rollups = withDescendants(pid).map((member) => text(`/proc/${member}/smaps_rollup`));
  const sum = (pattern) => rollups.reduce((total, rollup) => total + Number(pattern.exec(rollup)?.[1] ?? 0), 0) / 1024;
  return { rss: sum(/^Rss:\s+(\d+)/m), pss: sum(/^Pss:\s+(\d+)/m) };
}

/** Highest resident memory so far, in MiB: the sum of each process's own highest, so never too little. */
export function peakMemoryMiB(pid) {
  const peaks = withDescendants(pid).map((member) => /VmHWM:\s+(\d+)/.exec(text(`/proc/${member}/status`))?.[1] ?? 0);
  return Math.round(peaks.reduce((sum, kib) => sum + Number(kib), 0) / 1024);
}

/** The process and all that it started, as far as they can be told: elsewhere than on Linux the process alone. */
export function withDescendants(pid) {
  const found = [pid];
  for (let place = 0; place < found.length; place++) {
    // Each thread lists the processes that it started.
    for (const task of entries(`/proc/${found[place]}/task`)) {
      const children = text(`/proc/${found[place]}/task/${task}/children`).trim();
      if (children !== '') found.push(...children.split(' ').map(Number));
    }
  }
  return found;
}

function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function text(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
