// `npm run bench -- <name>`: installs, builds and runs one bench of bench/.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { build, installDependencies, root } from './prepare.mjs';

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
const bench = spawn(process.execPath, [path.join('bench', `${name}.js`), ...rest], { cwd: root, stdio: 'inherit' });
// The bench ends what it has started; so it has to hear of it, and this process waits for that.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => bench.kill(signal));
bench.on('exit', (code) => process.exit(code ?? 1));
