// A Python environment for tools, tests and benches: made once per requirements file, kept under node_modules/.cache.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { uvSettings } from './pip-settings.mjs';
import { root } from './prepare.mjs';

const call = promisify(execFile);
const ADVICE = 'Needed are Python 3.11 or newer with venv (apt install python3-venv) and an index of packages.';
/** torch's own index has builds without CUDA, a tenth of the size; where it is out of reach, other indices serve. */
const TORCH_INDEX = ['--extra-index-url', 'https://download.pytorch.org/whl/cpu'];
const IMPATIENT = ['--retries', '1', '--timeout', '15'];
const python = path.join('bin', 'python');
const UV = path.join('tools', 'uv', 'requirements.txt');
let uvPython;
/** Between looks whether another process has made an environment, in milliseconds. */
const LOOK_MS = 250;
/** Longer than a slow network needs for torch, in milliseconds. */
const WAIT_MS = 1_800_000;

/**
 * The Python of an environment with the packages of a requirements file, which is named relative to the repository and
 * pins every version. Programs are run as modules (`python -m uvicorn`), since the environment is moved to its place
 * when it is whole. Whoever asks while another process makes it waits for that one.
 * @throws Error with one line that says what to do
 */
export function pythonWith(requirements) {
  return pythonMade(requirements, async (folder, text) => {
    // Where there is no uv, or it can't do what pip does here.
    await fillByUv(folder, requirements, text).catch(() => fillByPip(folder, requirements, text));
  });
}

async function pythonMade(requirements, fill) {
  const text = await readFile(path.join(root, requirements), 'utf8');
  const key = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const folder = path.join(root, 'node_modules', '.cache', 'clip-runner', `python-${key}`);
  if (existsSync(folder)) return path.join(folder, python);

  await mkdir(path.dirname(folder), { recursive: true });
  await inTurn(`${folder}.making`, () => makeUnlessThere(folder, requirements, (made) => fill(made, text)));
  return path.join(folder, python);
}

async function makeUnlessThere(folder, requirements, fill) {
  if (existsSync(folder)) return;
  console.error(`Making a Python environment for ${requirements} …`);
  const made = await mkdtemp(`${folder}-`);
  try {
    await fill(made);
    await rename(made, folder);
  } catch (thrown) {
    await rm(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw thrown;
  }
}

async function fillByPip(folder, requirements, text) {
  await makeEnvironment(folder);
  // Most modules are never imported, so compiling them all now would take longer than doing it at their first import.
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--no-compile', '--disable-pip-version-check'];
  const torch = torchOf(text);
  if (torch !== undefined)
    await run(path.join(folder, python), [...pip, '--no-deps', ...TORCH_INDEX, ...IMPATIENT, torch]);
  await run(path.join(folder, python), [...pip, '--requirement', path.join(root, requirements)]);
}

/** Takes a third of the time that pip takes: it downloads and unpacks side by side. */
async function fillByUv(folder, requirements, text) {
  // Once a process: where it can't be had it isn't asked for again.
  uvPython ??= pythonMade(UV, (made, wanted) => fillByPip(made, UV, wanted));
  const own = await uvPython;
  const uv = path.join(path.dirname(own), 'uv');
  const { stdout } = await call(own, ['-m', 'pip', 'config', 'list']);
  const { args, env: settings } = uvSettings(stdout);
  // Beside the environment, so that files need not be copied.
  const cache = `${folder}.uv`;
  const env = { ...process.env, ...settings, UV_CACHE_DIR: cache, UV_PYTHON_DOWNLOADS: 'never', UV_NO_CONFIG: '1' };
  const install = ['pip', 'install', '--quiet', '--python', path.join(folder, python), ...args];
  try {
    await call(uv, ['venv', '--quiet', '--clear', '--python', own, folder], { env });
    const torch = torchOf(text);
    if (torch !== undefined) {
      const slim = call(uv, [...install, '--no-deps', ...TORCH_INDEX, torch], {
        env: { ...env, UV_HTTP_RETRIES: '1' },
      });
      await slim.catch(() => call(uv, [...install, '--no-deps', torch], { env }));
    }
    await call(uv, [...install, '--requirement', path.join(root, requirements)], { env });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

function torchOf(text) {
  return /^torch==\S+$/m.exec(text)?.[0];
}

/** Works while no other process holds the lock, a file with the id of the process that holds it. */
async function inTurn(lock, work) {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!(await take(lock))) {
    if (performance.now() > giveUpAt) throw new Error(`Another process holds ${lock}: end it, or remove the file.`);
    const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
    // Where two find a dead one at the same time both may work; the first one's environment stays.
    if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true });
    else await sleep(LOOK_MS);
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

function take(lock) {
  return writeFile(lock, String(process.pid), { flag: 'wx' }).then(
    () => true,
    (thrown) => {
      if (thrown.code === 'EEXIST') return false;
      throw thrown;
    },
  );
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return thrown.code === 'EPERM';
  }
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
  const isMade = await call('python3', ['-m', 'venv', '--clear', folder]).then(
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
