// Finds a Redis server for the tests: REDIS_URL, else `redis-server` on the PATH, else installs it where that is allowed.
import { spawnSync } from 'node:child_process';

/** Answers how Redis will be reached, in words, or ends the process with one line that says what to do. */
export function ensureRedis() {
  if (process.env.REDIS_URL) return 'REDIS_URL';
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
    'The tests need Redis: install redis-server (apt install redis-server, brew install redis), or set REDIS_URL.',
  );
  process.exit(1);
}

const hasServer = () => has('redis-server');
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
