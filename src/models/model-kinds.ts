import { dirname, join, posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';
import { readExternalLocations } from './external-data.js';
import { selectFiles, visionFileOf } from './layouts.js';

/** A set of files in a folder that makes a model which can be loaded. */
export interface ModelVariant {
  readonly dtype: Dtype;
  /** Whether the text side is there, too. */
  readonly hasText: boolean;
}

/** How a kind of model is recognised among a folder's files. */
interface ModelKind {
  /** Whether a repository with these files is of this kind, though they may be damaged or not all of them. */
  readonly recognises: (files: ReadonlySet<string>) => boolean;
  /** The variants of which every file is there. */
  readonly findVariants: (folder: string, files: ReadonlySet<string>) => readonly ModelVariant[];
}

/** What the commands for models know; another kind of model is one more entry. */
export const MODEL_KINDS = {
  clip: { recognises: hasVisionGraph, findVariants: findClipVariants },
} as const satisfies Record<string, ModelKind>;

export type ModelKindName = keyof typeof MODEL_KINDS;

function hasVisionGraph(files: ReadonlySet<string>): boolean {
  const layouts = ['split', 'flat', 'immich'] as const;
  return layouts.some((layout) => DTYPES.some((dtype) => files.has(visionFileOf(layout, dtype))));
}

function findClipVariants(folder: string, files: ReadonlySet<string>): readonly ModelVariant[] {
  return DTYPES.flatMap((dtype) => {
    const [pictures, withText] = [false, true].map((wantText) => isWhole(folder, files, dtype, wantText));
    return pictures || withText ? [{ dtype, hasText: withText === true }] : [];
  });
}

function isWhole(folder: string, files: ReadonlySet<string>, dtype: Dtype, wantText: boolean): boolean {
  try {
    const { vision, text } = selectFiles(files, { dtype, wantText, title: folder });
    const graphs = [vision, text].filter((graph) => graph !== undefined);
    return graphs.every((graph) =>
      readExternalLocations(join(folder, graph)).every((name) => files.has(posix.join(dirname(graph), name))),
    );
  } catch (error) {
    if (error instanceof RunnerError) return false;
    throw error;
  }
}
