import { dirname, join, posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';
import { hasSide } from './cut-graph.js';
import { readExternalLocations } from './external-data.js';
import { graphFileOf, selectFiles } from './layouts.js';
import { readOnnxGraph } from './onnx-graph.js';

/** A set of files in a folder that makes a model which can be loaded. */
export interface ModelVariant {
  readonly dtype: Dtype;
  /** What is there: a runner of texts alone downloads no vision side. */
  readonly sides: readonly ModelSide[];
}

export type ModelSide = 'vision' | 'text';

/** How a kind of model is recognised among a folder's files. */
interface ModelKind {
  /** Whether a repository with these files is of this kind, though they may be damaged or not all of them. */
  readonly recognises: (files: ReadonlySet<string>) => boolean;
  /** The variants of which every file is there. */
  readonly findVariants: (folder: string, files: ReadonlySet<string>) => readonly ModelVariant[];
}

/** What the commands for models know; another kind of model is one more entry. */
export const MODEL_KINDS = {
  clip: { recognises: hasGraph, findVariants: findClipVariants },
} as const satisfies Record<string, ModelKind>;

export type ModelKindName = keyof typeof MODEL_KINDS;

const SIDES = ['vision', 'text'] as const satisfies readonly ModelSide[];

function hasGraph(files: ReadonlySet<string>): boolean {
  // The name of a joint graph is that of many other models, so those count once they are read.
  const layouts = ['split', 'flat', 'immich'] as const;
  return layouts.some((layout) =>
    DTYPES.some((dtype) => SIDES.some((side) => files.has(graphFileOf(layout, dtype, side)))),
  );
}

function findClipVariants(folder: string, files: ReadonlySet<string>): readonly ModelVariant[] {
  return DTYPES.flatMap((dtype) => {
    const sides = SIDES.filter((side) => isWhole(folder, files, dtype, side));
    return sides.length > 0 ? [{ dtype, sides }] : [];
  });
}

/** The sides whose files are all listed, whatever is in them. */
export function listedSides(files: ReadonlySet<string>, dtype: Dtype): readonly ModelSide[] {
  return SIDES.filter((side) => {
    try {
      selectFiles(files, { ...choiceOf(side), dtype, title: '' });
      return true;
    } catch {
      return false;
    }
  });
}

const choiceOf = (side: ModelSide): { readonly wantVision: boolean; readonly wantText: boolean } => ({
  wantVision: side === 'vision',
  wantText: side === 'text',
});

function isWhole(folder: string, files: ReadonlySet<string>, dtype: Dtype, side: ModelSide): boolean {
  try {
    const { vision, text, isJoint } = selectFiles(files, { ...choiceOf(side), dtype, title: folder });
    const graphs = [vision, text].filter((graph) => graph !== undefined);
    if (isJoint && !graphs.every((graph) => hasBothTowers(join(folder, graph)))) return false;
    return graphs.every((graph) =>
      readExternalLocations(join(folder, graph)).every((name) => files.has(posix.join(dirname(graph), name))),
    );
  } catch (error) {
    if (error instanceof RunnerError) return false;
    throw error;
  }
}

function hasBothTowers(file: string): boolean {
  const graph = readOnnxGraph(file);
  return SIDES.every((side) => hasSide(graph, side));
}
