import { RunnerError } from '../errors.js';
import { valueAt } from './config-reader.js';
import { readOnnxGraph, type OnnxGraph } from './onnx-graph.js';

/** What of a model is held against each other. */
export interface ModelParts {
  /** For messages: `the folder ./x`, `the repository x/y`. */
  readonly title: string;
  readonly visionFile?: string | undefined;
  readonly textFile?: string | undefined;
  /** The model's `config.json`; undefined where there is none. */
  readonly config: unknown;
}

/** Tables are padded to a round number of rows; so much more than the vocabulary is still the same model. */
export const MAX_PADDING_ROWS = 1024;

/**
 * Refuses parts that can't be of one model: sides of different length, or a `config.json` with another length
 * (`projection_dim`, open_clip's `embed_dim`), patch size or vocabulary (`text_config.vocab_size`) than the graphs. Only what the
 * files say plainly counts; what they leave open is left to the self-test. Answers the rows of the table that turns ids
 * into vectors, where the text graph shows it.
 * @throws RunnerError `MODEL_INVALID` with both facts
 */
export function checkBelonging({ title, visionFile, textFile, config }: ModelParts): number | undefined {
  const [vision, text] = [visionFile, textFile].map((file) => (file === undefined ? undefined : readOnnxGraph(file)));
  const lengths = { vision: vision && embeddingLengths(vision), text: text && embeddingLengths(text) };
  const rows = text && tableRows(text);
  const strange =
    strangeLengths(lengths, promisedLength(config)) ?? strangeTable(rows, config) ?? strangePatches(vision, config);
  if (strange === undefined) return rows;
  throw new RunnerError(
    'MODEL_INVALID',
    `The files in ${title} don't belong together: ${strange}. Take all of them from the same export.`,
  );
}

type Lengths = readonly number[] | undefined;

function strangeLengths(
  { vision, text }: { readonly vision: Lengths; readonly text: Lengths },
  promised: number | undefined,
): string | undefined {
  if (vision !== undefined && text !== undefined && !vision.some((length) => text.includes(length)))
    return `pictures become ${vision.join(' or ')} numbers, texts ${text.join(' or ')}`;
  for (const [graph, lengths] of Object.entries({ vision, text })) {
    if (promised === undefined || lengths === undefined || lengths.includes(promised)) continue;
    return `config.json says vectors of ${promised} numbers, the ${graph} graph makes ${lengths.join(' or ')}`;
  }
  return undefined;
}

function strangeTable(rows: number | undefined, config: unknown): string | undefined {
  const vocabulary = promisedVocabulary(config);
  if (rows === undefined || vocabulary === undefined) return undefined;
  if (rows >= vocabulary && rows - vocabulary < MAX_PADDING_ROWS) return undefined;
  return `config.json says a vocabulary of ${vocabulary} ids, the text graph has a table of ${rows}`;
}

/** open_clip's number does not count where the text side is another library's model. */
function promisedVocabulary(config: unknown): number | undefined {
  const isForeign = valueAt(config, 'text_cfg', 'hf_model_name') !== undefined;
  return (
    numberAt(config, 'text_config', 'vocab_size') ??
    (isForeign ? undefined : numberAt(config, 'text_cfg', 'vocab_size'))
  );
}

function strangePatches(vision: OnnxGraph | undefined, config: unknown): string | undefined {
  const promised = numberAt(config, 'vision_config', 'patch_size') ?? numberAt(config, 'vision_cfg', 'patch_size');
  const side = vision && patchSide(vision);
  if (promised === undefined || side === undefined || side === promised) return undefined;
  return `config.json says patches of ${promised} pixels, the vision graph takes ${side}`;
}

/** The side of the square patches that a picture is cut into, where the one convolution over three colours shows it. */
function patchSide({ nodes, weights }: OnnxGraph): number | undefined {
  const shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
  const kernels = nodes
    .filter(({ type }) => type === 'Conv')
    .map(({ inputs: [, kernel = ''] }) => shapes.get(kernel))
    .filter((shape) => shape?.length === 4 && shape[1] === 3);
  const [kernel] = kernels;
  return kernels.length === 1 && kernel?.[2] === kernel?.[3] ? kernel?.[2] : undefined;
}

/** The lengths that the embedding may have; undefined where an output leaves it open. */
function embeddingLengths({ outputs }: OnnxGraph): Lengths {
  const lengths = outputs.filter(({ shape }) => shape?.length === 2).map(({ shape }) => shape?.[1] ?? -1);
  const isOpen = lengths.length === 0 || lengths.some((length) => length <= 0);
  return isOpen || outputs.some(({ shape }) => shape === undefined) ? undefined : [...new Set(lengths)];
}

/** Top-level values only: those inside `text_config` are often left at another model's default. */
function promisedLength(config: unknown): number | undefined {
  return (
    numberAt(config, 'projection_dim') ??
    (valueAt(config, 'vision_cfg') !== undefined ? numberAt(config, 'embed_dim') : undefined)
  );
}

/** Inputs that are no ids, by the names that all exporters give them. */
const NO_IDS = ['attention_mask', 'token_type_ids', 'position_ids'];
/** Nodes that hand values on as they are. */
const CARRIERS = ['Cast', 'Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze'];
const TABLE_CARRIERS = [...CARRIERS, 'DequantizeLinear'];

/** Follows the ids to the table that they are looked up in. */
function tableRows(graph: OnnxGraph): number | undefined {
  const shapes = new Map(graph.weights.map(({ name, shape }) => [name, shape]));
  const inputs = graph.inputs.map(({ name }) => name).filter((name) => !NO_IDS.includes(name) && !shapes.has(name));
  const ids = new Map(inputs.map((name) => [name, true]));
  handOn(graph, CARRIERS, ids);
  handOn(graph, TABLE_CARRIERS, shapes);
  const rows = graph.nodes
    .filter(({ type, inputs: [, indices = ''] }) => type === 'Gather' && ids.has(indices))
    .map(({ inputs: [table = ''] }) => shapes.get(table))
    .map((shape) => (shape?.length === 2 ? (shape[0] ?? 0) : 0));
  return Math.max(0, ...rows) || undefined;
}

/** Gives what is known of a value to those that nodes make of it without changing it; nodes stand in the order they run. */
function handOn<T>({ nodes }: OnnxGraph, carriers: readonly string[], known: Map<string, T>): void {
  for (const { type, inputs, outputs } of nodes) {
    const fact = carriers.includes(type) ? known.get(inputs[0] ?? '') : undefined;
    if (fact !== undefined) known.set(outputs[0] ?? '', fact);
  }
}

function numberAt(config: unknown, ...keys: readonly string[]): number | undefined {
  const value = valueAt(config, ...keys);
  return typeof value === 'number' ? value : undefined;
}
