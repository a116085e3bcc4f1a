// Finds `ip` for the tests that make hosts of their own out of network namespaces; else installs it where that is allowed.
import { ensureProgram } from './apt.mjs';

/** Answers how `ip` will be reached, in words. Others than root on Linux can't make such hosts, and need nothing. */
export function ensureIproute() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'not needed, since only root makes hosts';
  return ensureProgram({
    commands: ['ip'],
    versionFlag: '-V',
    aptPackage: 'iproute2',
    advice: 'install iproute2 (apt install iproute2).',
  });
}
