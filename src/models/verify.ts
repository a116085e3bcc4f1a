import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { listModelFolder } from './cache.js';
import { hashFile, parseContentHash, startHash } from './content-hash.js';

export interface ModelFileFacts {
  /** Relative to the model's folder, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Whether the content is what the hub listed; undefined for files that don't come from a hub's cache. */
  readonly isIntact?: boolean;
}

/** Reads every file of a model's folder to its end: sizes, hashes, and whether cached ones are still what was downloaded. */
export async function inspectModelFolder(folder: string, signal?: AbortSignal): Promise<readonly ModelFileFacts[]> {
  const facts: ModelFileFacts[] = [];
  for (const path of [...(await listModelFolder(folder))].sort()) facts.push(await inspectFile(folder, path, signal));
  return facts;
}

async function inspectFile(folder: string, path: string, signal: AbortSignal | undefined): Promise<ModelFileFacts> {
  const real = await realpath(join(folder, path));
  const { size: sizeBytes } = await stat(real);
  const sha256 = await hashFile(real, startHash('sha256', sizeBytes), signal);
  // A blob of the cache is named by its hash.
  const expected = basename(dirname(real)) === 'blobs' ? parseContentHash(basename(real)) : undefined;
  if (expected === undefined) return { path, sizeBytes, sha256 };
  const actual = expected.kind === 'sha256' ? sha256 : await hashFile(real, startHash('git', sizeBytes), signal);
  return { path, sizeBytes, sha256, isIntact: actual === expected.hex };
}
