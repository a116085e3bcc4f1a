// `npm run demo [-- --exit]`: installs, builds, and shows the way of real photos on embedded parts.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build, installDependencies, root } from './prepare.mjs';

installDependencies();
build();
const gallery = path.join(root, 'examples', 'demo-gallery');
const sentences = ['a cat on the beach', 'a robot in the kitchen', 'two elephants in the city at night'];
const args = [
  ...['dist/cli.js', 'demo', '--photos', path.join(gallery, 'photos'), '--model', path.join(gallery, 'model')],
  ...['--faces', path.join(gallery, 'faces'), '--ask', ...sentences],
  ...process.argv.slice(2),
];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;
