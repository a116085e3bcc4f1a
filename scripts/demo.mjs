// `npm run demo [-- --exit] [-- --open]`: installs, builds, and starts the gallery of examples/gallery with a runner, photos and
// models of its own. With REDIS_URL and DATABASE_URL it uses those.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { build, buildGallery, installDependencies, root } from './prepare.mjs';

const startedAt = Date.now();
installDependencies();
build();
buildGallery();
const gallery = path.join(root, 'examples', 'demo-gallery');
const sentences = [
  'a cat on the beach',
  'a robot in the kitchen',
  'two elephants in the city at night',
  '图书馆里的狐狸',
];
const args = [
  ...['examples/gallery/dist/demo.js', '--photos', path.join(gallery, 'photos')],
  ...['--model', path.join(gallery, 'model'), '--faces', path.join(gallery, 'faces')],
  ...sentences.flatMap((sentence) => ['--ask', sentence]),
  ...process.argv.slice(2),
];
const env = { ...process.env, DEMO_STARTED_AT: String(startedAt) };
const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env });
// A terminal tells both of Ctrl+C; other senders tell this process alone. Either way the gallery says when it has ended.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code) => (process.exitCode = code ?? 1));
