import { existsSync } from 'node:fs';
import { RunnerError } from '../errors.js';

/**
 * Where the entry of a thread or of a child process lies: beside this file in `dist/` (bundles are flat), or in `dist/`
 * when the source runs as it is, as under a test runner. Both always run what is shipped.
 * @throws RunnerError `OPTIONS_INVALID` where it is in neither place, as in an application's bundle that left it out.
 */
export function entryUrl(entry: 'worker' | 'child' | 'prepare' | 'session-worker', from = import.meta.url): URL {
  for (const place of [`./${entry}.js`, `../../dist/${entry}.js`]) {
    // A bundle of CommonJS has no address of its own.
    const url = URL.canParse(place, from) ? new URL(place, from) : undefined;
    if (url !== undefined && existsSync(url)) return url;
  }
  const message =
    `Expected ${entry}.js beside the code of clip-runner and found none, as in a bundle without it. Keep clip-runner out of ` +
    'the bundle, or bundle worker.js, session-worker.js, child.js and prepare.js of its dist/ as entries of an ES module build.';
  throw new RunnerError('OPTIONS_INVALID', message);
}
