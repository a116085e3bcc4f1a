import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RunnerError } from '../errors.js';
import { blobPath, snapshotFolder } from './cache.js';
import { cutsOfBlobs, removeCut, storeOfRepository } from './cut-store.js';
import { downloadFile, type DownloadProgress } from './download.js';
import type { ResolvedHubOptions } from './hub-options.js';
import { contentUrl, listRepository } from './hub.js';
import type { Repository } from './repository.js';
import { createTransport } from './transport.js';

/** A commit of a repository in the cache. */
export interface CachedCommit {
  readonly repository: Repository;
  /** The repository's folder in the cache. */
  readonly cache: string;
  readonly commit: string;
}

export interface RepairRequest {
  readonly hub: ResolvedHubOptions;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads files of a cached commit again, those of that very commit and nothing else. A file takes the old one's place
 * when it is whole and has the right hash; until then the old one stays. What was cut out of it is removed. Answers what
 * could not be repaired, and goes on with the others.
 * @throws RunnerError `RUNNER_STOPPED`; `MODEL_DOWNLOAD` and `MODEL_NOT_FOUND` where the commit can't be listed
 */
export async function repairCachedFiles(
  { repository: { id }, cache, commit }: CachedCommit,
  paths: readonly string[],
  { hub: options, onProgress, signal }: RepairRequest,
): Promise<readonly RunnerError[]> {
  const transport = createTransport({ ...options, repository: id });
  const { files } = await listRepository(id, transport, options, signal, commit);
  const context = { transport, options, onProgress, signal };
  const failures: RunnerError[] = [];
  for (const path of paths) {
    const hash = basename(await realpath(join(snapshotFolder(cache, commit), path)));
    const file = files.get(path);
    try {
      if (file?.hash.hex !== hash)
        throw new RunnerError('MODEL_NOT_FOUND', `The hub lists no ${path} in the commit ${commit} of ${id} any more.`);
      await downloadFile(contentUrl(transport, id, commit, path), file, blobPath(cache, hash), context);
      for (const { folder } of await cutsOfBlobs(storeOfRepository(cache), new Set([hash]))) await removeCut(folder);
    } catch (thrown) {
      if (!(thrown instanceof RunnerError) || thrown.code === 'RUNNER_STOPPED') throw thrown;
      failures.push(thrown);
    }
  }
  return failures;
}
