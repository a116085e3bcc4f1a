import { constants, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, posix, relative } from 'node:path';
import { RunnerError, systemCode } from '../errors.js';
import { temporaryName, writeWhole } from '../whole-file.js';
import { LAYOUT_FOLDERS } from './layouts.js';
import type { Repository } from './repository.js';

/**
 * The Hugging Face cache, laid out as Python's huggingface_hub does, so that both find each other's files:
 * `models--<owner>--<name>/blobs/<hash>`, `snapshots/<commit>/<path>` (a relative link to its blob) and `refs/main`
 * (the newest commit that is known).
 */
export function repositoryFolder(cacheDir: string, { owner, name }: Repository): string {
  return join(cacheDir, `models--${owner}--${name}`);
}

/** Where graphs that the runtime has made ready for a machine are kept. */
export function preparedFolder(cacheDir: string): string {
  return join(cacheDir, 'clip-runner', 'prepared');
}

export function blobPath(folder: string, hash: string): string {
  return join(folder, 'blobs', hash);
}

export function snapshotFolder(folder: string, commit: string): string {
  return join(folder, 'snapshots', commit);
}

/** The commits in the cache, the one of `refs/main` first, then the newest. Nothing there: an empty list. */
export async function cachedCommits(folder: string): Promise<readonly string[]> {
  const main = await readMain(folder);
  const names = (await readdirOrNone(join(folder, 'snapshots'))).filter((name) => isCommit(name) && name !== main);
  const dated = await Promise.all(
    names.map(async (commit) => ({ commit, at: (await stat(snapshotFolder(folder, commit))).mtimeMs })),
  );
  const others = dated.sort((one, other) => other.at - one.at).map(({ commit }) => commit);
  return main === undefined ? others : [main, ...others];
}

/** Points `refs/main` to a commit; writes nothing when it does already, so that a read-only cache is fine. */
export async function writeMain(folder: string, commit: string): Promise<void> {
  if ((await readMain(folder)) === commit) return;
  await writeWhole(join(folder, 'refs', 'main'), commit);
}

async function readMain(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'refs', 'main'), 'utf8').catch(() => '');
  return isCommit(text.trim()) ? text.trim() : undefined;
}

/** Makes a blob appear in a snapshot; takes the place of a broken link. Without links (Windows) the blob is copied. */
export async function linkBlob(blob: string, pointer: string): Promise<void> {
  await mkdir(dirname(pointer), { recursive: true });
  const temporary = temporaryName(pointer);
  try {
    await symlink(relative(dirname(pointer), blob), temporary);
  } catch (error) {
    if (systemCode(error) !== 'EPERM' && systemCode(error) !== 'ENOSYS') throw error;
    await copyFile(blob, temporary, constants.COPYFILE_FICLONE);
  }
  await rename(temporary, pointer).catch(async (error: unknown) => {
    await rm(temporary, { force: true });
    throw error;
  });
}

/** Whether a path is a regular file of a size, links followed. */
export async function hasFile(path: string, sizeBytes: number): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() === true && facts.size === sizeBytes;
}

/** The regular files of a model's folder, links followed, as relative paths with `/`: only where a layout has any. */
export async function listModelFolder(folder: string): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  for (const subfolder of LAYOUT_FOLDERS) {
    for (const name of await readdirOrNone(join(folder, subfolder))) {
      const facts = await stat(join(folder, subfolder, name)).catch(() => undefined);
      if (facts?.isFile() === true) files.add(posix.join(subfolder, name));
    }
  }
  return files;
}

/** What a failure to write to the cache means for the user. */
export function cacheFailure(error: unknown, cacheDir: string): RunnerError {
  const code = systemCode(error);
  if (error instanceof RunnerError || code === undefined) throw error;
  const advice = code === 'ENOSPC' || code === 'EDQUOT' ? 'Make room there' : 'Make it writable';
  return new RunnerError(
    'MODEL_DOWNLOAD',
    `The model cache ${cacheDir} can't be written to (${code}). ${advice}, or set HF_HOME to another folder.`,
    { cause: error },
  );
}

async function readdirOrNone(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
