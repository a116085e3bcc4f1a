import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';
import { CAPTIONER_FILES, findCaptionGraphs, hasPromptedGraphs, isCaptionerType } from './captioners.js';
import { valueAt } from './config-reader.js';
import { hasSide } from './cut-graph.js';
import { readExternalLocations } from './external-data.js';
import { FACE_PARTS, facePackOf, findFaceGraph, type FacePart } from './face-packs.js';
import { graphFileOf, selectFiles } from './layouts.js';
import { readOnnxGraph } from './onnx-graph.js';

/** A set of files in a folder that makes a model which can be loaded. */
export interface ModelVariant {
  readonly dtype: Dtype;
  /** What is there: a runner of texts alone downloads no vision side. */
  readonly sides: readonly ModelSide[];
}

export type ModelSide = ClipSide | FacePart | 'caption';
type ClipSide = 'vision' | 'text';

/** How a kind of model is recognised among a folder's files. */
interface ModelKind {
  /** What a whole model has. */
  readonly sides: readonly ModelSide[];
  /** Whether a repository with these files is of this kind, though they may be damaged or not all of them. */
  readonly recognises: (files: ReadonlySet<string>, repository: string) => boolean;
  /** The variants of which every file is there. */
  readonly findVariants: (folder: string, files: ReadonlySet<string>) => readonly ModelVariant[];
}

/**
 * What the commands for models know; another kind of model is one more entry. The first that fits is taken: captioners say
 * what they are, while their graphs may lie where those of a CLIP do.
 */
export const MODEL_KINDS = {
  caption: { sides: ['caption'], recognises: hasPromptedGraphs, findVariants: findCaptionVariants },
  clip: { sides: ['vision', 'text'], recognises: hasGraph, findVariants: findClipVariants },
  face: { sides: FACE_PARTS, recognises: isOfFacePack, findVariants: findFaceVariants },
} as const satisfies Record<string, ModelKind>;

export type ModelKindName = keyof typeof MODEL_KINDS;

/** The kind of model that a folder holds; that of most where it shows none. */
export function kindOfFolder(folder: string, files: ReadonlySet<string>): ModelKindName {
  const names = Object.keys(MODEL_KINDS) as ModelKindName[];
  const isOf = (name: ModelKindName): boolean =>
    MODEL_KINDS[name].recognises(files, '') || MODEL_KINDS[name].findVariants(folder, files).length > 0;
  return names.find(isOf) ?? 'clip';
}

const SIDES = ['vision', 'text'] as const satisfies readonly ClipSide[];

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
export function listedSides(files: ReadonlySet<string>, dtype: Dtype): readonly ClipSide[] {
  return SIDES.filter((side) => {
    try {
      selectFiles(files, { ...choiceOf(side), dtype, title: '' });
      return true;
    } catch {
      return false;
    }
  });
}

const choiceOf = (side: ClipSide): { readonly wantVision: boolean; readonly wantText: boolean } => ({
  wantVision: side === 'vision',
  wantText: side === 'text',
});

function isWhole(folder: string, files: ReadonlySet<string>, dtype: Dtype, side: ClipSide): boolean {
  try {
    const { vision, text, isJoint } = selectFiles(files, { ...choiceOf(side), dtype, title: folder });
    const graphs = [vision, text].filter((graph) => graph !== undefined);
    if (isJoint && !graphs.every((graph) => hasBothTowers(join(folder, graph)))) return false;
    return graphs.every((graph) => hasItsWeights(folder, files, graph));
  } catch (error) {
    if (error instanceof RunnerError) return false;
    throw error;
  }
}

function hasItsWeights(folder: string, files: ReadonlySet<string>, graph: string): boolean {
  return readExternalLocations(join(folder, graph)).every((name) => files.has(posix.join(dirname(graph), name)));
}

function findCaptionVariants(folder: string, files: ReadonlySet<string>): readonly ModelVariant[] {
  if (!CAPTIONER_FILES.every((file) => files.has(file))) return [];
  const type = modelTypeOf(join(folder, 'config.json'));
  if (!isCaptionerType(type)) return [];
  return DTYPES.flatMap((dtype) => {
    try {
      const graphs = Object.values(findCaptionGraphs(files, { type, dtype, title: folder }));
      return graphs.every((graph) => hasItsWeights(folder, files, graph)) ? [{ dtype, sides: ['caption'] }] : [];
    } catch (error) {
      if (error instanceof RunnerError) return [];
      throw error;
    }
  });
}

/** What a file says of itself; a broken one says nothing. */
function modelTypeOf(file: string): unknown {
  const text = readFileSync(file, 'utf8');
  try {
    return valueAt(JSON.parse(text), 'model_type');
  } catch {
    return undefined;
  }
}

function isOfFacePack(files: ReadonlySet<string>, repository: string): boolean {
  return facePackOf(repository) !== undefined && [...files].some((path) => path.endsWith('.onnx'));
}

function findFaceVariants(folder: string, files: ReadonlySet<string>): readonly ModelVariant[] {
  const sides = FACE_PARTS.filter((part) => isFacePart(folder, files, part));
  return sides.length > 0 ? [{ dtype: 'fp32', sides }] : [];
}

/** The names are those of other detectors, too, such as of text: so the outputs count, as they do when it is loaded. */
function isFacePart(folder: string, files: ReadonlySet<string>, part: FacePart): boolean {
  const graph = findFaceGraph(files, part);
  if (graph === undefined) return false;
  try {
    const { outputs } = readOnnxGraph(join(folder, graph));
    const isOfFaces =
      part === 'detection' ? outputs.length > 1 : outputs.length === 1 && (outputs[0]?.shape?.length ?? 2) === 2;
    return isOfFaces && hasItsWeights(folder, files, graph);
  } catch (error) {
    if (error instanceof RunnerError) return false;
    throw error;
  }
}

function hasBothTowers(file: string): boolean {
  const graph = readOnnxGraph(file);
  return SIDES.every((side) => hasSide(graph, side));
}
