import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { endChild, ended, outputOf, startChild } from '../../../bench/support/children.js';

const children = pathToFileURL(path.resolve('bench/support/children.js')).href;
/** A program that starts another one and waits. */
const PARENT = `const { pid } = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
console.log(pid); setInterval(() => {}, 1e6);`;

/** A bench that has started a program, which has started another one, and a folder; then it does what it is told here. */
async function startBench(then: string) {
  const code = `import { startChild, temporaryFolder } from '${children}';
    const folder = temporaryFolder('clip-runner-test-');
    const child = startChild(process.execPath, ['-e', ${JSON.stringify(PARENT)}]);
    child.stdout.once('data', (data) => {
      console.log(JSON.stringify({ folder, pids: [child.pid, Number(data)] }));
      ${then}
    });`;
  const bench = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(createInterface({ input: bench.stdout }), 'line')) as [string];
  return { bench, ...(JSON.parse(line) as { folder: string; pids: number[] }) };
}

function isAlive(pid: number): boolean {
  try {
    // One that nobody has waited for stays in the table.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilDead(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await sleep(20);
}

it.runIf(process.platform === 'linux').each([
  ['is interrupted', '', 'SIGINT', 130],
  ['is told to end', '', 'SIGTERM', 143],
  ['fails', 'throw new Error("failed");', undefined, 1],
] as const)('leaves no process and no folder behind when the bench %s', async (_, then, signal, code) => {
  const { bench, folder, pids } = await startBench(then);
  if (signal !== undefined) bench.kill(signal);
  expect(await ended(bench)).toBe(String(code));
  await untilDead(pids);
  expect(existsSync(folder)).toBe(false);
});

it('sees the end of a process that a signal ended before it was asked', async () => {
  const child = startChild(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await ended(child)).toBe('SIGKILL');
  await endChild(child);
});

it('kills what does not end by itself in time', async () => {
  const stubborn = `process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)`;
  const child = startChild(process.execPath, ['-e', stubborn], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await endChild(child, 50);
  expect(child.signalCode).toBe('SIGKILL');
});

it('answers what a program printed, or fails with the way in which it ended', async () => {
  expect(await outputOf(process.execPath, ['-p', 6 * 7], '.')).toBe('42\n');
  await expect(outputOf(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")'], '.')).rejects.toThrow(
    'SIGKILL',
  );
});
