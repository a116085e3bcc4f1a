// A Python environment for tools, tests and benches: made once per requirements file, kept under node_modules/.cache.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from './prepare.mjs';

const call = promisify(execFile);
const ADVICE = 'Needed are Python 3.11 or newer with venv (apt install python3-venv) and an index of packages.';
/** torch's own index has builds without CUDA, a tenth of the size; where it is out of reach, other indices serve. */
const TORCH_INDEX = ['--extra-index-url', 'https://download.pytorch.org/whl/cpu', '--retries', '1', '--timeout', '15'];

/**
 * The Python of an environment with the packages of a requirements file, which is named relative to the repository and
 * pins every version. Programs are run as modules (`python -m uvicorn`), since the environment is moved to its place
 * when it is whole; of two that are made at a time the first stays.
 * @throws Error with one line that says what to do
 */
export async function pythonWith(requirements) {
  const file = path.join(root, requirements);
  const text = await readFile(file, 'utf8');
  const key = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const folder = path.join(root, 'node_modules', '.cache', 'clip-runner', `python-${key}`);
  const python = path.join('bin', 'python');
  if (existsSync(folder)) return path.join(folder, python);

  console.error(`Making a Python environment for ${requirements} …`);
  await mkdir(path.dirname(folder), { recursive: true });
  const made = await mkdtemp(`${folder}-`);
  try {
    await makeEnvironment(made);
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--disable-pip-version-check'];
    const torch = /^torch==\S+$/m.exec(text);
    if (torch !== null) await run(path.join(made, python), [...pip, '--no-deps', ...TORCH_INDEX, torch[0]]);
    await run(path.join(made, python), [...pip, '--requirement', file]);
    await rename(made, folder);
  } catch (thrown) {
    await rm(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw thrown;
  }
  return path.join(folder, python);
}

/**
 * The folder of the packages of an environment, for the PYTHONPATH of another one: what two programs share is installed once.
 * @throws as `pythonWith` does
 */
export async function packagesWith(requirements) {
  const python = await pythonWith(requirements);
  const { stdout } = await call(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  return stdout.trim();
}

async function makeEnvironment(folder) {
  const isMade = await call('python3', ['-m', 'venv', folder]).then(
    () => true,
    () => false,
  );
  if (isMade) return;
  // Debian keeps venv in a package of its own.
  if (process.getuid?.() === 0) {
    await call('apt-get', ['update', '-qq']).catch(() => undefined);
    const install = ['install', '-y', '-qq', '--no-install-recommends', 'python3-venv'];
    await call('apt-get', install).catch(() => undefined);
  }
  await run('python3', ['-m', 'venv', '--clear', folder]);
}

async function run(command, args) {
  try {
    await call(command, args);
  } catch (thrown) {
    const why = thrown.stderr?.trim().split('\n').at(-1) || thrown.message;
    throw new Error(`${ADVICE} ${path.basename(command)} ${args.slice(0, 3).join(' ')}: ${why}`, { cause: thrown });
  }
}
