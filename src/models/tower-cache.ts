import { createHash, randomBytes } from 'node:crypto';
import { constants, copyFile, link, mkdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunnerError, systemCode } from '../errors.js';
import { parseContentHash } from './content-hash.js';
import { cutSide, hasSide, type Side } from './cut-graph.js';
import { readExternalLocations } from './external-data.js';
import { readOnnxGraph } from './onnx-graph.js';
import { writeGraphPart } from './write-graph.js';

/** Part of every key: raise it when the same file is cut differently. */
const CUT_VERSION = 1;

export interface JointModel {
  /** Absolute path of the graph with both towers; its external data lies beside it. */
  readonly file: string;
  /** The Hugging Face cache; cut graphs are kept in the folder `clip-runner` next to it. */
  readonly cacheDir: string;
  readonly wantVision: boolean;
  /** True: the text side must be there. False: it is left out. Undefined: it is taken where the graph has it. */
  readonly wantText: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Absolute path of a graph per side; undefined for a side that is not wanted. */
export interface TowerFiles {
  readonly vision: string | undefined;
  readonly text: string | undefined;
}

/**
 * Cuts a graph with both towers into one graph per wanted side, so that only that side's weights are loaded and only
 * that side is computed. A graph is cut once: the parts are kept under a key of its content and found again. They are
 * made under a temporary name and then renamed, so a half one is never used and processes don't disturb each other.
 * @throws RunnerError `MODEL_INVALID`, `MODEL_DOWNLOAD` where the folder can't be written to, `RUNNER_STOPPED`
 */
export async function cutTowers(model: JointModel): Promise<TowerFiles> {
  const external = readExternalLocations(model.file).map((name) => join(dirname(model.file), name));
  const folder = join(dirname(model.cacheDir), 'clip-runner', 'towers', await contentKey([model.file, ...external]));
  const vision = model.wantVision ? await ensureCut(model, 'vision', folder) : undefined;
  const hasText = model.wantText ?? hasSide(readOnnxGraph(model.file), 'text');
  return { vision, text: hasText ? await ensureCut(model, 'text', folder) : undefined };
}

async function ensureCut(model: JointModel, side: Side, parent: string): Promise<string> {
  const folder = join(parent, side);
  const file = join(folder, `${side}_model.onnx`);
  // The folder got its name when it was whole.
  if (await exists(file)) return file;
  const part = cutSide(readOnnxGraph(model.file), side, model.file);
  const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    await writeGraphPart(model.file, part, join(temporary, basename(file)), model.signal);
    for (const name of readExternalLocations(join(temporary, basename(file))))
      await placeWeights(join(dirname(model.file), name), join(temporary, name));
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    // Another process was faster: its folder holds the same.
    if (!(await exists(file))) throw cutFailure(error, parent);
  }
  return file;
}

/** External data must lie beside the graph: a second name for the same file where that can be had, else a copy. */
async function placeWeights(source: string, target: string): Promise<void> {
  const real = await realpath(source);
  await link(real, target).catch(() => copyFile(real, target, constants.COPYFILE_FICLONE));
}

/** Cached blobs are named by their content; other files are known by place, size and time of change. */
async function contentKey(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(`${CUT_VERSION}`);
  for (const file of files) {
    const real = await realpath(file);
    const { size, mtimeNs } = await stat(real, { bigint: true });
    const isBlob = basename(dirname(real)) === 'blobs' && parseContentHash(basename(real)) !== undefined;
    hash.update(JSON.stringify(isBlob ? basename(real) : [real, `${size}`, `${mtimeNs}`]));
    // The name in the graph decides where the part looks for its weights.
    hash.update(JSON.stringify(basename(file)));
  }
  return hash.digest('hex').slice(0, 32);
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() === true;
}

function cutFailure(error: unknown, folder: string): unknown {
  const code = systemCode(error);
  if (error instanceof RunnerError || code === undefined) return error;
  const advice = code === 'ENOSPC' || code === 'EDQUOT' ? 'Make room there' : 'Make it writable';
  return new RunnerError(
    'MODEL_DOWNLOAD',
    `The graph holds both towers, and the parts cut from it can't be written to ${folder} (${code}). ${advice}, or set ` +
      'HF_HOME to another folder.',
    { cause: error },
  );
}
