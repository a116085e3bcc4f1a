// `npm run demo [-- --exit]`: installs, builds, and shows the way of real photos on embedded parts.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build, installDependencies, root } from './prepare.mjs';

installDependencies();
build();
const photos = path.join(root, 'examples', 'photos');
const model = path.join(root, 'test', 'fixtures', 'models', 'siglip-tiny');
const args = ['dist/cli.js', 'demo', '--photos', photos, '--model', model, ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;
