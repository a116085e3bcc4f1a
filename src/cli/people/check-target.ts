import { rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { RunnerError } from '../../errors.js';
import { systemCode } from '../../errors.js';
import { temporaryName } from '../../whole-file.js';
import { invalid } from '../gallery-access.js';

/**
 * Makes sure that a file can be written, before work is put into what it is to hold. Leaves nothing behind.
 * @param flag that names the file, for messages
 * @throws RunnerError `OPTIONS_INVALID`
 */
export async function checkTarget(path: string, flag: string): Promise<void> {
  const file = resolve(path);
  if (await isFolder(file)) throw unusable(flag, path, 'it is a folder');
  // Those that are not there will be made.
  let folder = dirname(file);
  while ((await isFolder(folder)) === undefined && folder !== dirname(folder)) folder = dirname(folder);
  const probe = temporaryName(join(folder, basename(file)));
  try {
    await writeFile(probe, '', { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    throw unusable(flag, path, `nothing can be written in ${folder} (${systemCode(thrown) ?? 'unknown reason'})`);
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

/** Undefined where nothing is there. */
async function isFolder(path: string): Promise<boolean | undefined> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => undefined,
  );
}

function unusable(flag: string, path: string, why: string): RunnerError {
  return invalid(`${flag} must be a file that can be written, but got ${path}: ${why}.`);
}
