import { realpath, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Takes a damaged file out of a model's folder in the cache, its blob with it, so that the next download fetches it
 * anew. A file that is no link to a blob is left alone.
 */
export async function discardCachedFile(folder: string, path: string): Promise<void> {
  const pointer = join(folder, path);
  const blob = await realpath(pointer);
  if (basename(dirname(blob)) !== 'blobs') return;
  await rm(blob, { force: true });
  await rm(pointer, { force: true });
}
