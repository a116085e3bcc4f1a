import { access, constants, mkdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../../errors.js';
import { sizeText } from '../models/table.js';
import { note, ok, problem, type Finding } from './finding.js';

/** A large model with its parts, and what is written while one is fetched. */
const LEAST_FREE_BYTES = 5e9;

/** Whether photos can be read from the roots. */
export async function rootFindings(roots: readonly string[]): Promise<readonly Finding[]> {
  return Promise.all(roots.map(rootFinding));
}

async function rootFinding(root: string): Promise<Finding> {
  const remedy = 'Create or mount it, or set PROJECT_ROOT or UPLOAD_BASE_DIR.';
  const facts = { root };
  try {
    if (!(await stat(root)).isDirectory()) return problem('folders', `${root} is no folder`, remedy, facts);
    await access(root, constants.R_OK | constants.X_OK);
    return ok('folders', `Photos are read from ${root}`, facts);
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code !== 'EACCES') return problem('folders', `There is no folder of photos at ${root}`, remedy, facts);
    return problem('folders', `Photos at ${root} may not be read`, 'Give this user the right to read it (r-x).', facts);
  }
}

/** Whether models can be kept: room and rights of the cache. */
export async function cacheFinding(cacheDir: string, isOffline: boolean): Promise<Finding> {
  try {
    await mkdir(cacheDir, { recursive: true });
    await access(cacheDir, constants.W_OK);
  } catch (thrown) {
    const remedy = 'Fine where all models are there already; else set HF_HOME to a folder that may be written.';
    return note('folders', `The cache ${cacheDir} can't be written (${systemCode(thrown) ?? 'unknown'})`, remedy, {
      cacheDir,
    });
  }
  const { bavail, bsize } = await statfs(cacheDir).catch(() => statfs(dirname(cacheDir)));
  const freeBytes = bavail * bsize;
  const facts = { cacheDir, freeBytes };
  const summary = `${sizeText(freeBytes)} free for models in ${cacheDir}`;
  if (freeBytes >= LEAST_FREE_BYTES || isOffline) return ok('folders', summary, facts);
  return note('folders', summary, 'Large models take several GB: make room, or set HF_HOME to a larger disk.', facts);
}
