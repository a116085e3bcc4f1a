import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Ending, Program, ROOT } from './program.js';

/** Folder of the exporter, with its scripts, `requirements.txt` and `test/`. */
export const EXPORTER = path.join(ROOT, 'tools', 'export');

const CACHE = path.join(ROOT, 'node_modules', '.cache', 'clip-runner');
const REQUIREMENTS = path.join(EXPORTER, 'requirements.txt');
/** numpy 2.4 wants it. */
const LEAST_VERSION = '3.11';
const INSTALL_MS = 900_000;

/**
 * A Python that has what the exporter requires: a virtual environment below `node_modules/.cache`, made with the first
 * call for these requirements. Takes a minute where a CPU build of torch is in reach, and some where it is not.
 * @throws where there is no Python, saying what to do
 */
export async function ensureExportPython(): Promise<string> {
  const version = await pythonVersion();
  const key = createHash('sha256').update(readFileSync(REQUIREMENTS)).update(version).digest('hex').slice(0, 12);
  const folder = path.join(CACHE, `export-venv-${key}`);
  if (!existsSync(folder)) await install(folder);
  return path.join(folder, 'bin', 'python');
}

async function pythonVersion(): Promise<string> {
  const isEnough = `import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (${LEAST_VERSION.replace('.', ', ')}))`;
  const { ended, stdout } = await new Program('python3', ['-c', isEnough])
    .end()
    .catch(() => ({ ended: 'not started', stdout: 'none' }));
  if (ended === 0) return stdout.trim();
  throw new Error(
    `The exporter's tests need Python ${LEAST_VERSION} or newer as python3, and found ${stdout.trim()}: install it (Debian: apt-get install python3 python3-venv).`,
  );
}

/** Under another name first, so that a half environment is never taken for a whole one. */
async function install(folder: string): Promise<void> {
  await removeOld();
  const unfinished = `${folder}.${process.pid}`;
  const python = path.join(unfinished, 'bin', 'python');
  await mkdir(CACHE, { recursive: true });
  try {
    await succeed('python3', ['-m', 'venv', unfinished]);
    const pip = [...['-m', 'pip', 'install'], '--quiet', '--no-cache-dir', '--disable-pip-version-check'];
    // torch by itself first: its own index has builds without CUDA, a tenth of the size. Where it is out of reach, pip
    // takes what other indices offer, and the second command adds what that build needs.
    const torch = /^torch==\S+$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))![0];
    const index = ['--extra-index-url', 'https://download.pytorch.org/whl/cpu', '--retries', '1', '--timeout', '15'];
    await succeed(python, [...pip, '--no-deps', ...index, torch]);
    await succeed(python, [...pip, '--requirement', REQUIREMENTS]);
    await rename(unfinished, folder).catch((reason: unknown) => {
      // Another process was faster.
      if (!existsSync(folder)) throw reason;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Environments for other requirements; each is large. */
async function removeOld(): Promise<void> {
  const names = await readdir(CACHE).catch(() => []);
  const old = names.filter((name) => /^export-venv-[0-9a-f]+$/.test(name));
  await Promise.all(old.map((name) => rm(path.join(CACHE, name), { recursive: true, force: true })));
}

async function succeed(command: string, args: readonly string[]): Promise<Ending> {
  // pip's own settings (mirrors, certificates) are in the environment.
  const env = process.env as Record<string, string>;
  const ending = await new Program(command, args, { env, withinMs: INSTALL_MS }).end();
  if (ending.ended !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ending.ended}:\n${ending.stderr}`);
  return ending;
}
