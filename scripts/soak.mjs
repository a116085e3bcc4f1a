// `npm run soak`: installs, builds and runs the soak of test/soak/, which docs/soak.md describes.
import path from 'node:path';
import { build, installDependencies, root, run } from './prepare.mjs';
import { ensureRedis } from './redis.mjs';

installDependencies();
build();
ensureRedis();
// It shares its servers and proxies with the tests, which are TypeScript.
const folder = path.join('node_modules', '.cache', 'soak');
const tsup = path.join('node_modules', 'tsup', 'dist', 'cli-default.js');
const entry = path.join('test', 'soak', 'main.ts');
const options = ['--no-config', '--format', 'esm', '--target', 'node20', '--out-dir', folder, '--silent'];
run(process.execPath, [tsup, entry, ...options], { stdio: ['ignore', 2, 2] });
run(process.execPath, [path.join(root, folder, 'main.js'), ...process.argv.slice(2)]);
