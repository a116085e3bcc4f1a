import { RunnerError } from '../errors.js';
import { DTYPES, type Dtype } from '../model.js';

/** What a graph of a captioner does. */
type CaptionPart = keyof typeof PLAIN | keyof typeof PROMPTED;

/** Where each graph may lie, without the dtype's ending; the first that is there is taken. */
const PLAIN = {
  encoder: ['onnx/vision_model', 'onnx/encoder_model'],
  decoder: ['onnx/text_decoder_with_past_model', 'onnx/text_decoder_model_merged', 'onnx/decoder_model_merged'],
} as const;

const PROMPTED = {
  encoder: ['onnx/vision_encoder'],
  embedder: ['onnx/embed_tokens'],
  promptEncoder: ['onnx/encoder_model'],
  decoder: ['onnx/decoder_model_merged'],
} as const;

/** The kinds of captioners, by the `model_type` of their `config.json`. */
const FORMS = {
  blip: PLAIN,
  'vision-encoder-decoder': PLAIN,
  florence2: PROMPTED,
} as const satisfies Record<string, Form>;

export type CaptionerType = keyof typeof FORMS;
type Form = Partial<Readonly<Record<CaptionPart, readonly string[]>>>;

export const CAPTIONER_TYPES = Object.keys(FORMS) as readonly CaptionerType[];

/** What every captioner has besides its graphs. */
export const CAPTIONER_FILES = ['config.json', 'preprocessor_config.json', 'tokenizer.json'] as const;

const ENDINGS: Readonly<Record<Dtype, string>> = { fp32: '', fp16: '_fp16', q8: '_quantized' };

/** Whether a `model_type` is that of a captioner that can be used. */
export function isCaptionerType(type: unknown): type is CaptionerType {
  return typeof type === 'string' && Object.hasOwn(FORMS, type);
}

/** The graphs of a captioner, by what they do: relative paths. */
export type CaptionGraphs = Readonly<Partial<Record<CaptionPart, string>> & { encoder: string; decoder: string }>;

/**
 * Finds the graphs of a dtype in a listing.
 * @throws RunnerError `MODEL_NOT_FOUND` with what is missing
 */
export function findCaptionGraphs(
  files: ReadonlySet<string>,
  { type, dtype, title }: { readonly type: CaptionerType; readonly dtype: Dtype; readonly title: string },
): CaptionGraphs {
  const find = (part: string, stems: readonly string[]): string => {
    const candidates = stems.map((stem) => `${stem}${ENDINGS[dtype]}.onnx`);
    const graph = candidates.find((file) => files.has(file));
    if (graph !== undefined) return graph;
    throw new RunnerError(
      'MODEL_NOT_FOUND',
      `There is no caption ${part} (dtype ${dtype}) in ${title}: expected ${candidates.join(' or ')}.`,
    );
  };
  const form: Form = FORMS[type];
  const graphs = Object.entries(form).map(([part, stems]) => [part, find(part, stems)] as const);
  return Object.fromEntries(graphs) as CaptionGraphs;
}

/** Whether a listing has the graphs that only captioners which are asked in words have together. */
export function hasPromptedGraphs(files: ReadonlySet<string>): boolean {
  const parts = [PROMPTED.encoder, PROMPTED.embedder, PROMPTED.promptEncoder].flat();
  return parts.every((stem) => DTYPES.some((dtype) => files.has(`${stem}${ENDINGS[dtype]}.onnx`)));
}

/** The captioners whose ONNX files' place, or whose lack of them, is known. */
const CATALOG = [
  {
    asked: /^(?:microsoft|florence-community|onnx-community)\/(Florence-2-(?:base|large)(?:-ft)?)$/,
    repository: 'onnx-community/$1',
    isPublished: true,
    licence: 'MIT',
  },
  {
    asked: /^(Salesforce\/blip-image-captioning-(?:base|large))$/,
    repository: '$1',
    isPublished: false,
    licence: 'BSD-3-Clause',
  },
] as const;

export interface CaptionerHit {
  /** The repository that holds its files; that of a name which the table doesn't know is the name. */
  readonly repository: string;
  /** Whether it has them as ONNX; undefined where it isn't known. */
  readonly isPublished?: boolean;
  /** SPDX identifier of the weights' licence as their authors state it. */
  readonly licence?: string;
}

/** Finds the repository with a captioner's ONNX files. */
export function lookUpCaptioner(name: string): CaptionerHit {
  const entry = CATALOG.find(({ asked }) => asked.test(name));
  if (entry === undefined) return { repository: name };
  const { asked, repository, isPublished, licence } = entry;
  return { repository: name.replace(asked, repository), isPublished, licence };
}
