// `npm test`: installs, builds, finds Redis, runs every test, and ends with a line of counts from the runner's report.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build, installDependencies, root } from './prepare.mjs';
import { ensureRedis } from './redis.mjs';

installDependencies();
build();
console.error(`Redis: ${ensureRedis()}`);

const report = path.join(root, 'coverage', 'report.json');
mkdirSync(path.dirname(report), { recursive: true });
rmSync(report, { force: true });
const { status } = spawnSync(
  process.execPath,
  [
    path.join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);

const { numPassedTests, numFailedTests, numPendingTests, success } = JSON.parse(readFileSync(report, 'utf8'));
const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
console.log(`${numPassedTests} passed, ${numFailedTests} failed${skipped}`);
process.exitCode = status === 0 && success && numPassedTests > 0 ? 0 : 1;
