import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './program.js';

const CACHE = path.join(ROOT, 'node_modules', '.cache', 'python');
const ADVICE = 'These tests need Python 3.10 or newer with venv (apt install python3-venv) and an index of packages.';

/**
 * The Python of an environment with the packages of a requirements file, which is named relative to the root of the
 * repository and pins every version. Made once and kept until the file changes. Programs are run as modules
 * (`python -m …`), since the environment is moved to its place when it is complete; of two that are made at a time the
 * first stays.
 * @throws Error in one line that says what to do.
 */
export function pythonWith(requirements: string): string {
  const file = path.join(ROOT, requirements);
  const key = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  const folder = path.join(CACHE, key);
  const python = path.join('bin', 'python');
  if (existsSync(folder)) return path.join(folder, python);
  mkdirSync(CACHE, { recursive: true });
  const made = mkdtempSync(`${folder}-`);
  try {
    if (!isDone('python3', ['-m', 'venv', made])) installVenv(made);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', file];
    run(path.join(made, python), pip);
    renameSync(made, folder);
  } catch (thrown) {
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw thrown;
  }
  return path.join(folder, python);
}

/** Debian keeps venv in a package of its own. */
function installVenv(folder: string): void {
  if (process.getuid?.() === 0) {
    isDone('apt-get', ['update', '-qq']);
    isDone('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'python3-venv']);
  }
  run('python3', ['-m', 'venv', '--clear', folder]);
}

function isDone(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const why = error?.message ?? (stderr.trim().split('\n').at(-1) || `exit code ${String(status)}`);
  throw new Error(`${ADVICE} ${path.basename(command)} ${args.slice(0, 3).join(' ')}: ${why}`);
}
