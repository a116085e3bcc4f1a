// What `npm test`, `npm run demo` and `npm run bench` need before they can run: dependencies and a fresh build.
// Plain Node without dependencies, since it may have to install them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Runs a command with its output shown; ends this process with its exit code if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

export function installDependencies() {
  if (existsSync(path.join(root, 'node_modules', '.package-lock.json'))) return;
  console.error('Installing dependencies (npm ci) …');
  // onnxruntime-node would download CUDA files from a host that many networks block; the CPU library is in the package.
  run('npm', ['ci', '--no-audit', '--no-fund'], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
}

const PACKAGE = {
  built: ['index.js', 'worker.js', 'child.js', 'cli.js', 'index.d.ts'].map((file) => path.join('dist', file)),
  sources: 'src',
  config: 'tsup.config.ts',
};
const GALLERY = {
  built: ['main.js', 'demo.js'].map((file) => path.join('examples', 'gallery', 'dist', file)),
  sources: path.join('examples', 'gallery', 'server'),
  config: path.join('examples', 'gallery', 'tsup.config.ts'),
};

export function build() {
  buildWhereStale(PACKAGE);
}

/** The server of examples/gallery, which is no part of the package. */
export function buildGallery() {
  buildWhereStale(GALLERY);
}

function buildWhereStale({ built, sources, config }) {
  if (isFresh(built, sources, config)) return;
  console.error(`Building ${sources} (tsup) …`);
  const tsup = path.join('node_modules', 'tsup', 'dist', 'cli-default.js');
  run(process.execPath, [tsup, '--config', config, '--silent'], { stdio: ['ignore', 2, 2] });
}

function isFresh(built, sources, config) {
  const inRoot = (file) => path.join(root, file);
  const made = built.map(inRoot);
  if (!made.every(existsSync)) return false;
  const oldest = Math.min(...made.map((file) => statSync(file).mtimeMs));
  const inputs = [
    ...readdirSync(inRoot(sources), { recursive: true }).map((name) => path.join(inRoot(sources), name)),
    ...['package.json', 'tsconfig.json', config].map(inRoot),
  ];
  return inputs.every((file) => statSync(file).mtimeMs < oldest);
}
