import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { startHash } from './content-hash.js';
import type { RemoteFile } from './hub.js';
import { isWriterGone, newOwner } from '../partial-owner.js';

/**
 * A file on its way into the cache. It lies beside its target under a name of this download alone
 * (`<hash>.<owner>.partial`), so that two processes can't mix their bytes; a partial file left behind is taken over by
 * renaming it, which only one process can do. Should its writer live after all, the hash shows it.
 */
export class PartialFile {
  readonly #target: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #file: RemoteFile;
  #hash: Hash;
  #receivedBytes = 0;

  private constructor(target: string, path: string, handle: FileHandle, file: RemoteFile) {
    this.#target = target;
    this.#path = path;
    this.#handle = handle;
    this.#file = file;
    this.#hash = startHash(file.hash.kind, file.sizeBytes);
  }

  /** Begins a file, or goes on with one whose writer is gone, or that nobody has written to for `staleAfterMs`. */
  static async open(target: string, file: RemoteFile, staleAfterMs: number): Promise<PartialFile> {
    const path = `${target}.${newOwner()}.partial`;
    const isTakenOver = await takeOver(target, path, staleAfterMs);
    const handle = await open(path, isTakenOver ? 'r+' : 'wx+', 0o600);
    const partial = new PartialFile(target, path, handle, file);
    if (isTakenOver) await partial.#countWhatIsThere();
    return partial;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  isWhole(): boolean {
    return this.#receivedBytes === this.#file.sizeBytes;
  }

  /** Adds bytes to the end; false, and nothing is added, when they would be more than the file has. */
  async append(chunk: Uint8Array): Promise<boolean> {
    if (this.#receivedBytes + chunk.byteLength > this.#file.sizeBytes) return false;
    for (let done = 0; done < chunk.byteLength;) {
      const { bytesWritten } = await this.#handle.write(
        chunk,
        done,
        chunk.byteLength - done,
        this.#receivedBytes + done,
      );
      done += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#receivedBytes += chunk.byteLength;
    return true;
  }

  /** Forgets every byte. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = startHash(this.#file.hash.kind, this.#file.sizeBytes);
    this.#receivedBytes = 0;
  }

  /** Whether what came is the file that was asked for; to be asked once, when it is whole. */
  matches(): boolean {
    return this.#hash.digest('hex') === this.#file.hash.hex;
  }

  /** Puts the file in its place, on disk for good before it has its name. */
  async commit(): Promise<void> {
    // As readable as the folder that it lies in: other users of a shared cache must be able to read it. Some mounts
    // know no modes.
    const { mode } = await stat(dirname(this.#target));
    await this.#handle.chmod(mode & 0o666).catch(() => undefined);
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#path, this.#target);
  }

  /** Gives up: what came is left for the next try to go on with, or removed. */
  async abandon(isWorthKeeping: boolean): Promise<void> {
    await this.#handle.close();
    if (isWorthKeeping && this.#receivedBytes > 0) await rename(this.#path, `${this.#target}.partial`);
    else await rm(this.#path, { force: true });
  }

  async #countWhatIsThere(): Promise<void> {
    for await (const chunk of createReadStream(this.#path) as AsyncIterable<Buffer>) {
      this.#hash.update(chunk);
      this.#receivedBytes += chunk.byteLength;
    }
  }
}

/** Renames the largest partial file that was left behind to `path` and removes the others; false when there is none. */
async function takeOver(target: string, path: string, staleAfterMs: number): Promise<boolean> {
  const left = await findLeft(target, staleAfterMs);
  let isTaken = false;
  for (const { from } of left) {
    if (isTaken) {
      await rm(from, { force: true });
      continue;
    }
    isTaken = await rename(from, path).then(
      () => true,
      () => false, // Another process was faster.
    );
  }
  return isTaken;
}

/** Partial files of a target without a living writer, the largest first. */
async function findLeft(
  target: string,
  staleAfterMs: number,
): Promise<readonly { readonly from: string; readonly size: number }[]> {
  const prefix = `${basename(target)}.`;
  const names = (await readdir(dirname(target))).filter((name) => name.startsWith(prefix) && name.endsWith('.partial'));
  const left: { from: string; size: number }[] = [];
  for (const name of names) {
    const from = join(dirname(target), name);
    const facts = await stat(from).catch(() => undefined);
    const isReleased = name === `${prefix}partial`;
    if (facts?.isFile() !== true) continue;
    if (isReleased || isWriterGone(name) || Date.now() - facts.mtimeMs > staleAfterMs)
      left.push({ from, size: facts.size });
  }
  return left.sort((one, other) => other.size - one.size);
}
