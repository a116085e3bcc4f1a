import { existsSync } from 'node:fs';

/**
 * Where the thread's entry lies: beside this file in `dist/` (bundles are flat), or in `dist/` when the source runs as
 * it is, as under a test runner. Threads always run what is shipped.
 */
export function workerUrl(): URL {
  const beside = new URL('./worker.js', import.meta.url);
  if (existsSync(beside)) return beside;
  return new URL('../../dist/worker.js', import.meta.url);
}
