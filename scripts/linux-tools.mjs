// Finds what some tests need on Linux, as root: `ip` for hosts of their own, `systemd-analyze` for the unit, shells for
// completions, what the documents' commands use; else installs it.
import { ensureProgram } from './apt.mjs';

const TOOLS = [
  { commands: ['ip'], versionFlag: '-V', aptPackage: 'iproute2', advice: 'install iproute2 (apt install iproute2).' },
  { commands: ['systemd-analyze'], aptPackage: 'systemd', advice: 'install systemd (apt install systemd).' },
  { commands: ['zsh'], aptPackage: 'zsh', advice: 'install zsh (apt install zsh).' },
  { commands: ['fish'], aptPackage: 'fish', advice: 'install fish (apt install fish).' },
  { commands: ['curl'], aptPackage: 'curl', advice: 'install curl (apt install curl).' },
  { commands: ['jq'], aptPackage: 'jq', advice: 'install jq (apt install jq).' },
  {
    commands: ['openssl'],
    versionFlag: 'version',
    aptPackage: 'openssl',
    advice: 'install openssl (apt install openssl).',
  },
];

/** Answers how they will be reached, in words. Elsewhere the tests that need them say so and are skipped. */
export function ensureLinuxTools() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'none, since they need root on Linux';
  return TOOLS.map(ensureProgram).join(', ');
}
