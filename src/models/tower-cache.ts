import { constants, copyFile, link, mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunnerError, systemCode } from '../errors.js';
import { cutSide, hasSide, type Side } from './cut-graph.js';
import {
  cutFolder,
  isWholeCut,
  newCutFolder,
  publishCut,
  removeCut,
  sourcesOf,
  sweepCuts,
  type CutStore,
} from './cut-store.js';
import { readExternalLocations } from './external-data.js';
import { readOnnxGraph } from './onnx-graph.js';
import { writeGraphPart } from './write-graph.js';

export interface JointModel {
  /** Absolute path of the graph with both towers; its external data lies beside it. */
  readonly file: string;
  /** Where the cut graphs are kept. */
  readonly store: CutStore;
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
 * that side is computed. A graph is cut once: the parts are kept under a key of what they were made from, and found
 * again while they are whole.
 * @throws RunnerError `MODEL_INVALID`, `MODEL_DOWNLOAD` where the folder can't be written to, `RUNNER_STOPPED`
 */
export async function cutTowers(model: JointModel): Promise<TowerFiles> {
  const vision = model.wantVision ? await ensureCut(model, 'vision') : undefined;
  const hasText = model.wantText ?? hasSide(readOnnxGraph(model.file), 'text');
  return { vision, text: hasText ? await ensureCut(model, 'text') : undefined };
}

async function ensureCut({ file: source, store, signal }: JointModel, side: Side): Promise<string> {
  const external = readExternalLocations(source).map((name) => join(dirname(source), name));
  const sources = await sourcesOf([source, ...external], store);
  const folder = cutFolder(store, sources, side);
  const file = join(folder, `${side}_model.onnx`);
  if (await isWholeCut(folder)) return file;
  const part = cutSide(readOnnxGraph(source), side, source);
  const temporary = newCutFolder(folder);
  try {
    await sweepCuts(store);
    await mkdir(temporary, { recursive: true });
    const cut = join(temporary, basename(file));
    await writeGraphPart(source, part, cut, signal);
    for (const name of readExternalLocations(cut))
      await placeWeights(join(dirname(source), name), join(temporary, name));
    await publishCut(temporary, folder, sources, signal);
  } catch (error) {
    if (signal?.aborted === true)
      throw new RunnerError('RUNNER_STOPPED', 'Stopped while a model was cut.', { cause: error });
    // Another process was faster: its folder holds the same.
    if (!(await isWholeCut(folder))) throw cutFailure(error, folder);
  } finally {
    await removeCut(temporary).catch(() => undefined);
  }
  return file;
}

/** External data must lie beside the graph: a second name for the same file where that can be had, else a copy. */
async function placeWeights(source: string, target: string): Promise<void> {
  const real = await realpath(source);
  await link(real, target).catch(() => copyFile(real, target, constants.COPYFILE_FICLONE));
}

function cutFailure(error: unknown, folder: string): unknown {
  const code = systemCode(error);
  if (error instanceof RunnerError || code === undefined) return error;
  const advice = code === 'ENOSPC' || code === 'EDQUOT' ? 'Make room there' : 'Make it writable';
  return new RunnerError(
    'MODEL_DOWNLOAD',
    `The graph holds both towers, and the parts cut from it can't be written to ${dirname(folder)} (${code}). ${advice}, or ` +
      'set HF_HOME to another folder.',
    { cause: error },
  );
}
