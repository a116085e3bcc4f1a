// Finds `redis-server` for the tests and benches, which start private ones; else installs it where that is allowed.
import { ensureProgram } from './apt.mjs';

/** Answers how Redis will be reached, in words, or ends the process with one line that says what to do. */
export function ensureRedis() {
  return ensureProgram({
    commands: ['redis-server'],
    aptPackage: 'redis-server',
    advice: 'install Redis 6.2 or newer (apt install redis-server, brew install redis).',
  });
}
