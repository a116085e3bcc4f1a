import { posix } from 'node:path';
import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';

/** How a model's files lie in its folder. All paths are relative, with `/`. */
interface Layout {
  /** Path of the vision graph without the dtype's suffix and `.onnx`. */
  readonly vision: string;
  /** The same of the text graph; that of a joint graph is the vision graph's own. */
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
  joint: { vision: 'onnx/model', text: 'onnx/model', ...HUGGING_FACE },
  flatJoint: { vision: 'model', text: 'model', ...HUGGING_FACE },
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

/** How to get one, for messages about a place without any ONNX file. */
export const EXPORT_ADVICE =
  'tools/export in the source of clip-runner turns a CLIP, Chinese-CLIP or SigLIP of transformers into a folder of ONNX ' +
  'files: see "Making a folder of your own" in docs/models.md.';

const TOKENIZER_EXTRAS = ['tokenizer_config.json', 'special_tokens_map.json'] as const;

/** The files of one model, chosen from those that are there. */
export interface ModelFiles {
  readonly vision?: string;
  readonly text?: string;
  /** Whether the two are one graph that holds both towers. */
  readonly isJoint: boolean;
  readonly preprocess?: string;
  readonly tokenizerFolder?: string;
  /** Every file that is needed, the graphs included; their external data is known only once they are read. */
  readonly all: readonly string[];
}

export interface FileChoice {
  readonly dtype: Dtype;
  /** False: the vision side is left out. @default true */
  readonly wantVision?: boolean | undefined;
  /** True: the text side must be there. False: it is left out. Undefined: it is taken where it is whole. */
  readonly wantText?: boolean | undefined;
  /** For messages: `the folder ./x`, `the repository x/y`. */
  readonly title: string;
}

/**
 * Chooses the files of a dtype from a listing.
 * @throws RunnerError `MODEL_NOT_FOUND` with the file that is missing and the dtypes that exist.
 */
export function selectFiles(listing: ReadonlySet<string>, choice: FileChoice): ModelFiles {
  const layout = findLayout(listing, choice);
  const vision = choice.wantVision === false ? undefined : findVisionSide(listing, layout, choice);
  const text = choice.wantText === false ? undefined : findTextSide(listing, layout, choice);
  const extras = layout.extras.filter((path) => listing.has(path));
  const graphs = new Set([vision?.graph, text?.graph].filter((graph) => graph !== undefined));
  return {
    ...(vision === undefined ? {} : { vision: vision.graph, preprocess: vision.preprocess }),
    ...(text === undefined ? {} : { text: text.graph, tokenizerFolder: layout.tokenizer }),
    isJoint: layout.vision === layout.text,
    all: [...(vision === undefined ? [] : [vision.preprocess]), ...extras, ...(text?.tokenizer ?? []), ...graphs],
  };
}

/** The file that a model of a layout and dtype must have, for messages about a listing that isn't known. */
export function graphFileOf(layout: LayoutName, dtype: Dtype, side: 'vision' | 'text'): string {
  return `${LAYOUTS[layout][side]}${SUFFIXES[dtype][0]}.onnx`;
}

/** Graphs apart are preferred to one with both towers, unless only that one has the dtype. */
function findLayout(listing: ReadonlySet<string>, { dtype, title, wantVision }: FileChoice): Layout {
  const layouts: readonly Layout[] = Object.values(LAYOUTS);
  const side = wantVision === false ? 'text' : 'vision';
  const layout =
    layouts.find((candidate) => dtypesOf(listing, candidate[side]).includes(dtype)) ??
    layouts.find((candidate) => dtypesOf(listing, candidate[side]).length > 0);
  if (layout !== undefined) return layout;

  const expected = layouts.map((candidate) => `${candidate[side]}.onnx`).join(', ');
  // Most repositories of models have weights for other runtimes only.
  const hasOnnx = [...listing].some((path) => path.endsWith('.onnx'));
  const advice = hasOnnx ? '' : ` There is no ONNX file at all: ${EXPORT_ADVICE}`;
  throw notFound(
    `There is no ${side} graph in ${title}: expected one of ${expected} (or with a dtype's ending, such as _fp16).${advice}`,
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

function findVisionSide(
  listing: ReadonlySet<string>,
  layout: Layout,
  choice: FileChoice,
): { readonly graph: string; readonly preprocess: string } {
  const graph = findGraph(listing, layout.vision, choice);
  const preprocess = layout.preprocess.find((path) => listing.has(path));
  if (preprocess !== undefined) return { graph, preprocess };
  throw notFound(
    `There is no ${layout.preprocess.join(' or ')} in ${choice.title}: it says how pictures are prepared.`,
  );
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
