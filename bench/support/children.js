// What a bench starts ends with it: processes and all that they started, and temporary folders, also where the bench fails or is
// told to end. Only a SIGKILL of the bench itself leaves them behind.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDescendants } from './process-tree.js';

const SIGNALS = { SIGINT: 130, SIGTERM: 143 };
/** What a program that is told to end may still take for it, in milliseconds. */
const GRACE_MS = 15_000;
const children = new Set();
const folders = new Set();

process.on('exit', () => {
  for (const child of children) killTree(child);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(code));

export function startChild(program, args, options) {
  return keep(spawn(program, args, options));
}

export function forkChild(script, args, options) {
  return keep(fork(script, args, options));
}

/** With an exit code, or by a signal. */
export function hasEnded({ exitCode, signalCode }) {
  return exitCode !== null || signalCode !== null;
}

/** Resolves with the way in which it ended, in words (`1`, `SIGKILL`); at once where it has ended already. */
export async function ended(child) {
  if (!hasEnded(child)) await once(child, 'exit');
  return String(child.exitCode ?? child.signalCode);
}

/** Tells it to end, and kills it and all that it started where that takes longer than `graceMs`. */
export async function endChild(child, graceMs = GRACE_MS) {
  if (hasEnded(child)) return;
  child.kill('SIGTERM');
  const isOver = new AbortController();
  const tooLong = sleep(graceMs, undefined, { signal: isOver.signal }).then(
    () => killTree(child),
    () => undefined,
  );
  await ended(child);
  isOver.abort();
  await tooLong;
}

/**
 * Runs a program to its end and answers what it printed; `onStart` gets its id. Not `execFileSync`: a bench that waits in it
 * hears no signal.
 * @throws Error where it ends with anything but 0
 */
export async function outputOf(program, args, cwd, onStart = () => undefined) {
  const child = startChild(program, args.map(String), { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.pid !== undefined) onStart(child.pid);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (text += data));
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${path.basename(program)} ${args[0]} ended with ${code ?? signal}`);
  return text;
}

export function temporaryFolder(prefix) {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

function keep(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** At once and without waiting: nothing that is asynchronous happens any more when a process exits. */
function killTree({ pid }) {
  if (pid === undefined) return;
  for (const member of withDescendants(pid)) {
    try {
      process.kill(member, 'SIGKILL');
    } catch (thrown) {
      if (thrown.code !== 'ESRCH') throw thrown;
    }
  }
}
