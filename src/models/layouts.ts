import { posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';

/** How a model's files lie in its folder. All paths are relative, with `/`. */
interface Layout {
  /** Path of the vision graph without the dtype's suffix and `.onnx`. */
  readonly vision: string;
  readonly text: string;
  /** Files that say how pictures are prepared; the first that is there is taken. */
  readonly preprocess: readonly string[];
  /** Folder of `tokenizer.json`. */
  readonly tokenizer: string;
  /** Small files that are taken along where they exist. */
  readonly extras: readonly string[];
}

const HUGGING_FACE = {
  preprocess: ['preprocessor_config.json', 'processor_config.json', 'preprocess_cfg.json', 'open_clip_config.json'],
  tokenizer: '',
  extras: ['config.json'],
} as const;

/** The layouts that are understood, in the order in which they are looked for. */
const LAYOUTS = {
  split: { vision: 'onnx/vision_model', text: 'onnx/text_model', ...HUGGING_FACE },
  flat: { vision: 'vision_model', text: 'text_model', ...HUGGING_FACE },
  immich: {
    vision: 'visual/model',
    text: 'textual/model',
    preprocess: ['visual/preprocess_cfg.json'],
    tokenizer: 'textual',
    extras: ['config.json'],
  },
} as const satisfies Record<string, Layout>;

export type LayoutName = keyof typeof LAYOUTS;

/** The folders below a model's own that any layout uses. */
export const LAYOUT_FOLDERS = ['', 'onnx', 'visual', 'textual', 'detection', 'recognition'] as const;

/** How a graph's file name ends; later ones are second choices. */
const SUFFIXES = {
  fp32: [''],
  fp16: ['_fp16'],
  q8: ['_quantized', '_int8', '_uint8'],
} as const satisfies Record<Dtype, readonly string[]>;

const TOKENIZER_EXTRAS = ['tokenizer_config.json', 'special_tokens_map.json'] as const;

/** The files of one model, chosen from those that are there. */
export interface ModelFiles {
  readonly vision: string;
  readonly text?: string;
  readonly preprocess: string;
  readonly tokenizerFolder?: string;
  /** Every file that is needed, the graphs included; their external data is known only once they are read. */
  readonly all: readonly string[];
}

export interface FileChoice {
  readonly dtype: Dtype;
  /** True: the text side must be there. False: it is left out. Undefined: it is taken where it is whole. */
  readonly wantText?: boolean | undefined;
  /** For messages: `the folder ./x`, `the repository x/y`. */
  readonly title: string;
}

/**
 * Chooses the files of a dtype from a listing.
 * @throws RunnerError `MODEL_NOT_FOUND` with the file that is missing and the dtypes that exist; `MODEL_INVALID` for
 * a graph that holds both towers.
 */
export function selectFiles(listing: ReadonlySet<string>, choice: FileChoice): ModelFiles {
  const layout = findLayout(listing, choice.title);
  const vision = findGraph(listing, layout.vision, choice);
  const preprocess = layout.preprocess.find((path) => listing.has(path));
  if (preprocess === undefined) {
    throw notFound(
      `There is no ${layout.preprocess.join(' or ')} in ${choice.title}: it says how pictures are prepared.`,
    );
  }
  const text = choice.wantText === false ? undefined : findTextSide(listing, layout, choice);
  const extras = layout.extras.filter((path) => listing.has(path));
  return {
    vision,
    preprocess,
    ...(text === undefined ? {} : { text: text.graph, tokenizerFolder: layout.tokenizer }),
    all: [preprocess, ...extras, ...(text?.tokenizer ?? []), vision, ...(text === undefined ? [] : [text.graph])],
  };
}

/** The file that a model of a layout and dtype must have, for messages about a listing that isn't known. */
export function visionFileOf(layout: LayoutName, dtype: Dtype): string {
  return `${LAYOUTS[layout].vision}${SUFFIXES[dtype][0]}.onnx`;
}

function findLayout(listing: ReadonlySet<string>, title: string): Layout {
  const layouts: readonly Layout[] = Object.values(LAYOUTS);
  const layout = layouts.find(({ vision }) => dtypesOf(listing, vision).length > 0);
  if (layout !== undefined) return layout;

  const joint = ['onnx/model', 'model'].find((stem) => dtypesOf(listing, stem).length > 0);
  if (joint !== undefined) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${joint}.onnx in ${title} looks like one graph with both towers, which can't be used yet. Export the vision and ` +
        'the text tower apart, as onnx/vision_model.onnx and onnx/text_model.onnx.',
    );
  }
  const expected = layouts.map(({ vision }) => `${vision}.onnx`).join(', ');
  throw notFound(
    `There is no vision graph in ${title}: expected one of ${expected} (or with a dtype's ending, such as _fp16).`,
  );
}

function findGraph(listing: ReadonlySet<string>, stem: string, { dtype, title }: FileChoice): string {
  const candidates = graphsOf(stem, dtype);
  const graph = candidates.find((path) => listing.has(path));
  if (graph !== undefined) return graph;
  const others = dtypesOf(listing, stem);
  const advice =
    others.length === 0 ? 'No other dtype of it exists.' : `The dtypes that exist are ${others.join(', ')}.`;
  throw notFound(`There is no ${candidates.join(' or ')} (dtype ${dtype}) in ${title}. ${advice}`);
}

function findTextSide(
  listing: ReadonlySet<string>,
  layout: Layout,
  choice: FileChoice,
): { readonly graph: string; readonly tokenizer: readonly string[] } | undefined {
  const tokenizer = posix.join(layout.tokenizer, 'tokenizer.json');
  if (choice.wantText === undefined) {
    const isWhole = listing.has(tokenizer) && graphsOf(layout.text, choice.dtype).some((path) => listing.has(path));
    if (!isWhole) return undefined;
  }
  const graph = findGraph(listing, layout.text, choice);
  if (!listing.has(tokenizer))
    throw notFound(`There is no ${tokenizer} in ${choice.title}: texts can't be embedded without it.`);
  const extras = TOKENIZER_EXTRAS.map((name) => posix.join(layout.tokenizer, name)).filter((path) => listing.has(path));
  return { graph, tokenizer: [tokenizer, ...extras] };
}

function graphsOf(stem: string, dtype: Dtype): readonly string[] {
  return SUFFIXES[dtype].map((suffix) => `${stem}${suffix}.onnx`);
}

function dtypesOf(listing: ReadonlySet<string>, stem: string): readonly Dtype[] {
  return DTYPES.filter((dtype) => graphsOf(stem, dtype).some((path) => listing.has(path)));
}

function notFound(message: string): RunnerError {
  return new RunnerError('MODEL_NOT_FOUND', message);
}
