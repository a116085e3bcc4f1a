import { existsSync } from 'node:fs';

/**
 * Where the entry of a thread or of a child process lies: beside this file in `dist/` (bundles are flat), or in `dist/`
 * when the source runs as it is, as under a test runner. Both always run what is shipped.
 */
export function entryUrl(entry: 'worker' | 'child' | 'prepare' | 'session-worker'): URL {
  const beside = new URL(`./${entry}.js`, import.meta.url);
  if (existsSync(beside)) return beside;
  return new URL(`../../dist/${entry}.js`, import.meta.url);
}
