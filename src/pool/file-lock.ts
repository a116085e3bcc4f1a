import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../errors.js';
import { isWriterGone, newOwner } from '../partial-owner.js';

const POLL_MS = 50;

/**
 * Does work that only one thread or process of those that share a folder should do at a time. A lock whose holder is gone,
 * or that is older than `maxMs`, is broken; in a rare race two may then work at once, which must do no harm.
 */
export async function underFileLock<Result>(file: string, maxMs: number, work: () => Promise<Result>): Promise<Result> {
  while (!(await takeLock(file))) {
    if (await isLeftOver(file, maxMs)) await rm(file, { force: true });
    else await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(newOwner());
    await handle.close();
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

async function isLeftOver(file: string, maxMs: number): Promise<boolean> {
  const [owner, facts] = await Promise.all([readFile(file, 'utf8'), stat(file)]).catch(() => ['', undefined] as const);
  if (facts === undefined) return false; // It was given back meanwhile.
  return isWriterGone(`.${owner}.partial`) || Date.now() - facts.mtimeMs > maxMs;
}
