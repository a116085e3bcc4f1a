// `npm run bench -- <name>`: installs, builds and runs one bench of bench/.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { build, installDependencies, root, run } from './prepare.mjs';
import { ensureRedis } from './redis.mjs';

const names = readdirSync(path.join(root, 'bench'))
  .filter((name) => name.endsWith('.js'))
  .map((name) => name.slice(0, -3));
const [name, ...rest] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- <${names.join('|')}>`);
  process.exit(2);
}
installDependencies();
build();
ensureRedis();
run(process.execPath, [path.join('bench', `${name}.js`), ...rest]);
