// Finds `redis-server` for the tests and benches, which start private ones; else installs it where that is allowed.
import { spawnSync } from 'node:child_process';

/** Answers how Redis will be reached, in words, or ends the process with one line that says what to do. */
export function ensureRedis() {
  if (hasServer()) return 'redis-server on the PATH';
  if (process.getuid?.() === 0 && has('apt-get')) {
    console.error('Installing redis-server (apt-get) …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { env, stdio: ['ignore', 'ignore', 2] };
    spawnSync('apt-get', ['update', '-qq'], quiet);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], quiet);
    if (hasServer()) return 'redis-server, just installed';
  }
  console.error(
    'There is no redis-server on the PATH: install Redis 6.2 or newer (apt install redis-server, brew install redis).',
  );
  process.exit(1);
}

const hasServer = () => has('redis-server');
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
