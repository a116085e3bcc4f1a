import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { childFlags } from '../../src/pool/child-environment.js';
import { Program, ROOT } from '../support/program.js';

/** At the end of the program objects that live on for a while; prints how large the young generation became for them. */
const HOOK = `
import { writeSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';
import { Worker, isMainThread } from 'node:worker_threads';
const grow = () => {
  let kept = [];
  for (let round = 0; round < 40; round += 1) {
    kept = [...kept.slice(-150000), ...Array.from({ length: 50000 }, (_, index) => ({ round, index }))];
  }
  const [{ space_size }] = getHeapSpaceStatistics().filter(({ space_name }) => space_name === 'new_space');
  writeSync(2, 'young generation ' + space_size + '\\n');
};
if (!isMainThread) grow();
else {
  process.once('beforeExit', () => {
    grow();
    new Worker(new URL(import.meta.url)).once('exit', () => process.exit());
  });
}
`;

/** What loading the program leaves it at, at most. */
const SMALL = 8 * 2 ** 20;

describe('the young generation of V8', () => {
  let folder: string;
  let hook: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-heap-'));
    await writeFile(path.join(folder, 'hook.mjs'), HOOK);
    hook = pathToFileURL(path.join(folder, 'hook.mjs')).href;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function sizesOf(...args: readonly string[]): Promise<readonly number[]> {
    const { stderr } = await new Program(process.execPath, ['--import', hook, ...args]).end();
    return [...stderr.matchAll(/young generation (\d+)/g)].map(([, size]) => Number(size));
  }

  it('grows with what lives on for a while, where nothing is done about it', async () => {
    const sizes = await sizesOf('--eval', '0');
    expect(sizes).toHaveLength(2);
    for (const size of sizes) expect(size).toBeGreaterThan(2 * SMALL);
  });

  it('stays small in the command', async () => {
    const [size] = await sizesOf(path.join(ROOT, 'dist', 'cli.js'), '--version');
    expect(size).toBeLessThanOrEqual(SMALL);
  });

  it('stays small in all threads of a child process, unless it was started with a size', async () => {
    const child = [path.join(ROOT, 'dist', 'child.js')];
    const sizes = await sizesOf(...childFlags([]), ...child);
    expect(sizes).toHaveLength(2);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(SMALL);
    for (const size of await sizesOf(...childFlags(['--max-semi-space-size=16']), ...child))
      expect(size).toBeGreaterThan(2 * SMALL);
  });
});
