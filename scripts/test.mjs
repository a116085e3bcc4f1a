// `npm test`: installs, builds, finds Redis, runs every test, and ends with a line of counts from the runner's report.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build, buildGallery, installDependencies, root } from './prepare.mjs';
import { ensureChromium } from './chromium.mjs';
import { ensureLinuxTools } from './linux-tools.mjs';
import { ensureRedis } from './redis.mjs';

const report = path.join(root, 'coverage', 'report.json');

installDependencies();
build();
buildGallery();
console.error(`Redis: ${ensureRedis()}`);
console.error(`Chromium: ${ensureChromium()}`);
console.error(`Linux tools: ${ensureLinuxTools()}`);
const args = process.argv.slice(2);
// They take minutes of network where they aren't there yet: time for the tests that need none.
if (args.length === 0) makePythonEnvironments();
const { passed, failed, skipped } = countOutcomes(runTests(args));
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function makePythonEnvironments() {
  const child = spawn(process.execPath, [path.join('scripts', 'make-python-venvs.mjs')], {
    cwd: root,
    stdio: ['ignore', 'ignore', 2],
  });
  if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_BELOW_NORMAL);
}

/** Answers whether the test runner was content; what it saw is in the report then. */
function runTests(args) {
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const vitest = path.join('node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  return status === 0;
}

function countOutcomes(isContent) {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  // A file that breaks before its tests begin fails none of them, and an unhandled error belongs to no test.
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = numFailedTests + brokenFiles.length;
  return {
    passed: numPassedTests,
    failed: isContent ? failed : Math.max(failed, 1),
    skipped: numPendingTests + numTodoTests,
  };
}
