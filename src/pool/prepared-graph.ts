import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  mkdir,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { coerceError, systemCode } from '../errors.js';
import { stampOf, type FileStamp } from '../file-stamp.js';
import { isWriterGone, newOwner } from '../partial-owner.js';
import { childEnvironment } from './child-environment.js';
import { entryUrl } from './entry-url.js';
import { underFileLock } from './file-lock.js';
import { RUNTIME } from './session.js';

/**
 * Graphs that were made ready for this machine: optimised by the runtime for its processor, with the weights packed as its
 * kernels read them, without the vectors that nobody reads (`early-pooling.ts`), and in fewer passes (`fuse-operators.ts`). A
 * session of such a graph maps its weights from the file: they take no heap, all sessions of the machine share them, and opening
 * takes a fraction of the time. The numbers are the same, bit by bit where nothing was fused.
 */
export interface PrepareRequest {
  readonly file: string;
  /** Names of files beside it that hold its weights. */
  readonly weights: readonly string[];
  /** Where prepared graphs are kept. */
  readonly folder: string;
}

/** What a graph was prepared from. */
interface Source extends FileStamp {
  readonly path: string;
}

interface Manifest {
  readonly sources: readonly Source[];
  readonly files: Readonly<Record<string, number>>;
}

/** Part of every key: raise it when the same file is prepared differently. */
const VERSION = 3;
const [MANIFEST, GRAPH, WEIGHTS] = ['prepared.json', 'model.onnx', 'weights.bin'] as const;
/** Of less weight nothing is gained. */
const MIN_BYTES = 16 * 1024 ** 2;
/** The weights as they are and packed, and what it takes to write them. */
const ROOM = 3;
const MAKE_TIMEOUT_MS = 600_000;
const UNUSED_MS = 30 * 24 * 3_600_000;

/**
 * The prepared graph of a file, made now where there is none; undefined where the file is too small to gain from it, or
 * where it can't be made (a process warning says why): then the file itself is as good, only larger in memory.
 */
export async function preparedGraph({ file, weights, folder }: PrepareRequest): Promise<string | undefined> {
  try {
    const names = [path.basename(file), ...weights];
    const sources = await Promise.all(names.map((name) => readSource(path.join(path.dirname(file), name))));
    const totalBytes = sources.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
    if (totalBytes < MIN_BYTES) return undefined;
    const target = path.join(folder, keyOf(sources));
    if (await isWhole(target)) return path.join(target, GRAPH);
    await mkdir(folder, { recursive: true });
    return await underFileLock(`${target}.lock`, MAKE_TIMEOUT_MS, async () => {
      if (!(await isWhole(target))) {
        await sweepPrepared(folder);
        await checkRoom(folder, totalBytes);
        await make(file, target, sources);
      }
      return path.join(target, GRAPH);
    });
  } catch (thrown) {
    const { message } = coerceError(thrown);
    process.emitWarning(
      `${file} could not be made ready for this machine, so it takes more memory and opens more slowly: ${message.replace(/\.+$/, '')}. ` +
        'With CLIP_PREPARE_MODELS=0 (prepareModels: false) it is not tried.',
      { code: 'CLIP_RUNNER_PREPARE' },
    );
    return undefined;
  }
}

/**
 * Removes prepared graphs whose model is gone or has changed, those that nobody has opened for 30 days (other versions of
 * the runtime and other machines have some of their own), and what killed processes have left.
 */
export async function sweepPrepared(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const target = path.join(folder, name);
    const isUseful = name.endsWith('.partial')
      ? !isWriterGone(name)
      : name.endsWith('.lock') || (await isWanted(target));
    if (!isUseful) await rm(target, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isWanted(target: string): Promise<boolean> {
  const manifest = await readManifest(target);
  const used = await stat(path.join(target, MANIFEST)).catch(() => undefined);
  if (manifest === undefined || used === undefined || Date.now() - used.mtimeMs > UNUSED_MS) return false;
  return isUnchanged(manifest.sources);
}

async function readSource(file: string): Promise<Source> {
  const real = await realpath(file);
  return { path: real, ...(await stampOf(real)) };
}

async function isUnchanged(sources: readonly Source[]): Promise<boolean> {
  const today = await Promise.all(sources.map((source) => readSource(source.path).catch(() => undefined)));
  return today.every((source, index) => JSON.stringify(source) === JSON.stringify(sources[index]));
}

function keyOf(sources: readonly Source[]): string {
  const facts = [VERSION, RUNTIME, arch(), cpus()[0]?.model, processorFlags(), sources];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32);
}

/** Kernels are chosen by what the processor can do, which a virtual machine may restrict. */
function processorFlags(): string {
  try {
    return /^(flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[0] ?? '';
  } catch {
    return ''; // Only Linux has it.
  }
}

/** Whether all is there in its size; marks it as used. */
async function isWhole(target: string): Promise<boolean> {
  const manifest = await readManifest(target);
  if (manifest === undefined) return false;
  const sizes = await Promise.all(
    Object.keys(manifest.files).map(async (name) => (await stat(path.join(target, name)).catch(() => undefined))?.size),
  );
  const isSame = Object.values(manifest.files).every((size, index) => size === sizes[index]);
  const now = new Date();
  if (isSame) await utimes(path.join(target, MANIFEST), now, now).catch(() => undefined);
  return isSame;
}

async function readManifest(target: string): Promise<Manifest | undefined> {
  try {
    const { sources, files } = JSON.parse(await readFile(path.join(target, MANIFEST), 'utf8')) as Partial<Manifest>;
    return Array.isArray(sources) && files !== undefined ? { sources, files } : undefined;
  } catch {
    return undefined;
  }
}

async function checkRoom(folder: string, modelBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const [free, wanted] = [bavail * bsize, modelBytes * ROOM];
  if (free >= wanted) return;
  const inMiB = (bytes: number): number => Math.ceil(bytes / 1024 ** 2);
  throw new Error(`${folder} has ${inMiB(free)} MiB left, and ${inMiB(wanted)} are wanted`);
}

/** Makes it in a folder beside, which takes its place at once. */
async function make(file: string, target: string, sources: readonly Source[]): Promise<void> {
  const partial = `${target}.${newOwner()}.partial`;
  await mkdir(partial);
  try {
    await runEntry([file, path.join(partial, GRAPH), WEIGHTS]);
    const files: Record<string, number> = {};
    // A manifest must never outlive a loss of power that its files don't.
    for (const name of [GRAPH, WEIGHTS]) files[name] = await syncFile(path.join(partial, name));
    await writeFile(path.join(partial, MANIFEST), JSON.stringify({ sources, files } satisfies Manifest, null, 2));
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw thrown;
  }
}

async function runEntry(args: readonly string[]): Promise<void> {
  const entry = fileURLToPath(entryUrl('prepare'));
  try {
    await promisify(execFile)(process.execPath, [entry, ...args], {
      env: childEnvironment(process.env),
      timeout: MAKE_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
  } catch (thrown) {
    const { stderr = '' } = thrown as { stderr?: string };
    const reason = /^\w*Error: (.*)$/m.exec(stderr)?.[1] ?? systemCode(thrown) ?? 'its process was killed';
    throw new Error(reason, { cause: thrown });
  }
}

/** Answers the size in bytes. */
async function syncFile(file: string): Promise<number> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
