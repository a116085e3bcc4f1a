import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { RunnerError } from '../errors.js';
import {
  blobPath,
  cacheFailure,
  hasFile,
  linkBlob,
  listModelFolder,
  repositoryFolder,
  snapshotFolder,
  writeMain,
} from './cache.js';
import { downloadFile, type DownloadContext } from './download.js';
import { EXPORT_ADVICE } from './layouts.js';
import { contentUrl, listRepository } from './hub.js';
import type { Repository } from './repository.js';

/** Where a model's files come from. */
export interface ModelSource {
  readonly kind: 'folder' | 'cache' | 'hub';
  /** For messages: `the folder ./x`, `the repository x/y`. */
  readonly title: string;
  /** Absolute path of the folder that the files are in, once they are ensured. */
  readonly folder: string;
  /** The repository's folder in the cache; undefined for a folder of the user's own. */
  readonly cache?: string;
  /** Relative paths, with `/`, of the files that can be had. */
  readonly files: ReadonlySet<string>;
  /**
   * Has files of the listing on this machine.
   * @throws RunnerError `MODEL_DOWNLOAD`, `MODEL_CORRUPT`, …
   */
  ensure(paths: readonly string[]): Promise<void>;
  /** Tells that every file that a model needs is there. */
  seal(): Promise<void>;
}

/**
 * A folder of the user's own; `~` is the home folder.
 * @throws RunnerError `MODEL_NOT_FOUND` when there is no such folder
 */
export async function openFolder(name: string): Promise<ModelSource> {
  const folder = resolve(name.replace(/^~(?=$|[/\\])/, () => homedir()));
  const files = await listModelFolder(folder);
  if (files.size === 0) {
    throw new RunnerError(
      'MODEL_NOT_FOUND',
      `There is no model in ${folder} (asked for as ${name}). A model's folder must contain onnx/vision_model.onnx and ` +
        'preprocessor_config.json (with onnx/text_model.onnx and tokenizer.json for texts), or onnx/model.onnx with both ' +
        `towers in it, or visual/model.onnx and visual/preprocess_cfg.json. ${EXPORT_ADVICE}`,
    );
  }
  return { kind: 'folder', title: `the folder ${name}`, folder, files, ensure: doNothing, seal: doNothing };
}

/** A commit as far as it is in the cache. */
export async function openCached(repository: Repository, commit: string, cacheDir: string): Promise<ModelSource> {
  const cache = repositoryFolder(cacheDir, repository);
  const folder = snapshotFolder(cache, commit);
  const files = await listModelFolder(folder);
  return {
    kind: 'cache',
    title: `the cached copy of ${repository.id}`,
    folder,
    cache,
    files,
    ensure: doNothing,
    seal: doNothing,
  };
}

/**
 * The newest commit on the hub; files are downloaded into the cache when they are asked for.
 * @throws RunnerError `MODEL_DOWNLOAD`, `MODEL_NOT_FOUND`
 */
export async function openHub(repository: Repository, context: DownloadContext): Promise<ModelSource> {
  const { transport, options, signal } = context;
  const { commit, files } = await listRepository(repository.id, transport, options, signal);
  const cache = repositoryFolder(options.cacheDir, repository);
  const folder = snapshotFolder(cache, commit);

  async function ensureOne(path: string): Promise<void> {
    const file = files.get(path);
    if (file === undefined)
      throw new RunnerError('MODEL_NOT_FOUND', `There is no ${path} in the repository ${repository.id}.`);
    const pointer = join(folder, path);
    if (await hasFile(pointer, file.sizeBytes)) return;
    const blob = blobPath(cache, file.hash.hex);
    if (!(await hasFile(blob, file.sizeBytes))) {
      await downloadFile(contentUrl(transport, repository.id, commit, path), file, blob, context);
    }
    await linkBlob(blob, pointer);
  }

  return {
    kind: 'hub',
    title: `the repository ${repository.id}`,
    folder,
    cache,
    files: new Set(files.keys()),
    async ensure(paths) {
      try {
        for (const path of paths) await ensureOne(path);
      } catch (error) {
        throw cacheFailure(error, options.cacheDir);
      }
    },
    async seal() {
      // Only now: `refs/main` never names a commit of which a file is missing, so going offline stays possible.
      await writeMain(cache, commit).catch((error: unknown) => {
        throw cacheFailure(error, options.cacheDir);
      });
    },
  };
}

async function doNothing(): Promise<void> {
  // The files are there already.
}
