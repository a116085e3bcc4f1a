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

export function build() {
  if (isBuildFresh()) return;
  console.error('Building (tsup) …');
  run(process.execPath, [path.join('node_modules', 'tsup', 'dist', 'cli-default.js'), '--silent'], {
    stdio: ['ignore', 2, 2],
  });
}

function isBuildFresh() {
  const built = ['index.js', 'worker.js', 'child.js', 'cli.js', 'index.d.ts'].map((file) =>
    path.join(root, 'dist', file),
  );
  if (!built.every(existsSync)) return false;
  const oldestBuilt = Math.min(...built.map((file) => statSync(file).mtimeMs));
  const sources = readdirSync(path.join(root, 'src'), { recursive: true }).map((name) => path.join(root, 'src', name));
  const inputs = [
    ...sources,
    ...['package.json', 'tsup.config.ts', 'tsconfig.json'].map((name) => path.join(root, name)),
  ];
  return inputs.every((file) => statSync(file).mtimeMs < oldestBuilt);
}
