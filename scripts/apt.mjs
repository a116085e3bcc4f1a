// Programs that the tests need: found on the PATH, or installed where that is allowed.
import { spawnSync } from 'node:child_process';

let isUpToDate = false;

/** The first of these commands that is there and tells its version, or undefined. */
export function findProgram(commands, versionFlag = '--version') {
  return commands.find((command) => spawnSync(command, [versionFlag], { stdio: 'ignore' }).status === 0);
}

/**
 * Answers how a program will be reached, in words. Where none of its commands is there, its package is installed by
 * apt-get, as root; else the process ends with one line that says what to do.
 */
export function ensureProgram({ commands, versionFlag, aptPackage, advice }) {
  const found = findProgram(commands, versionFlag);
  if (found !== undefined) return `${found} on the PATH`;
  if (process.getuid?.() === 0 && findProgram(['apt-get']) !== undefined) {
    console.error(`Installing ${aptPackage} (apt-get) …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { env, stdio: ['ignore', 'ignore', 2] };
    if (!isUpToDate) spawnSync('apt-get', ['update', '-qq'], quiet);
    isUpToDate = true;
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', aptPackage], quiet);
    const installed = findProgram(commands, versionFlag);
    if (installed !== undefined) return `${installed}, just installed`;
  }
  console.error(`There is no ${commands[0]} on the PATH: ${advice}`);
  process.exit(1);
}
