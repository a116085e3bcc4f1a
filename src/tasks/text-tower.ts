import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { ClipModel } from '../model.js';
import type { Session, TensorData, TensorInfo } from '../tensor.js';
import { normalise } from './normalise.js';
import { cosineDistance, selfTest } from './self-test.js';
import { groupByLength } from './text-groups.js';
import { readTextGraph, type TextGraph } from './text-graph.js';
import { isSiglip } from './tokenizer/cleaning.js';
import { readJson, valueAt } from './tokenizer/json.js';
import { leastLimit, type Tokenizer } from './tokenizer/tokenizer.js';

/** The ids of one text, special tokens included. */
type TokenIds = readonly number[];

/** The text side of a CLIP-like model: ids in, unit vectors out. */
export interface TextTower {
  readonly dimension: number;
  /** Texts per `embed` that make sense; a graph of fixed batch is run as often as needed. */
  readonly maxBatch: number;
  /** The most ids that it reads; a tokenizer cuts longer texts to it. */
  readonly maxTokens: number;
  /**
   * One unit vector (`Float32Array` of `dimension`) per text, or a `RunnerError` (`RUN_BAD_OUTPUT`) where the model
   * answered with NaN, infinity or zeros for that text alone. Texts of like length share a run.
   * @throws RunnerError `RUN_FAILED`
   */
  embed(texts: readonly TokenIds[]): Promise<readonly (Float32Array | RunnerError)[]>;
}

/** Taken where neither the graph nor any configuration says how much a model reads. */
const USUAL_TOKENS = 77;
/** transformers leaves this default out of the `config.json` that it writes; SigLIP 2's tokenizer gives no length. */
const SIGLIP_TOKENS = 64;

/** How little padding may change a vector (1 - cosine) to count as no change; a quantised graph scales by its content. */
const INERT = { fp32: 1e-5, fp16: 1e-3, q8: 1e-2 } as const;

const SAMPLES = ['a photo of a cat', 'two dogs in the snow at night', '一张海边日落的照片'] as const;

/**
 * Reads from the graph what it wants, tries whether padding matters to it, and tests it.
 *
 * A causal tower (CLIP) pools at the end token, and what follows can't reach it: it is fed as many ids as the longest
 * text of a run. Towers that look at every place and take no mask (SigLIP) were trained on padded texts and must get
 * them. Which of the two a graph is, it shows itself: it embeds samples both ways.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openTextTower(
  session: Session,
  tokenizer: Tokenizer,
  model: ClipModel & { readonly textFile: string },
  maxBatch: number,
): Promise<TextTower> {
  const graph = readTextGraph(session, model.textFile);
  const maxTokens = await readMaxTokens(graph, tokenizer, model);
  const texts = SAMPLES.map((text) => tokenizer.encode(text, maxTokens));
  const fixedLength = graph.fixedLength ?? (await lengthForAll({ session, graph, tokenizer, model }, maxTokens, texts));
  const embed = createEmbed({ session, graph, fixedLength, padId: tokenizer.padId, maxBatch });
  const subject = { label: model.label, file: model.textFile, dtype: model.dtype, input: 'text' } as const;
  const [short = [], longer = []] = texts;
  const dimension = await selfTest(embed, [short, longer], subject, maxBatch);
  return { dimension, maxBatch, maxTokens, embed };
}

async function readMaxTokens(graph: TextGraph, tokenizer: Tokenizer, model: ClipModel): Promise<number> {
  const config = await readJson(join(model.folder, 'config.json'));
  const limit = leastLimit([
    graph.fixedLength,
    tokenizer.maxTokens,
    valueAt(config, 'text_config', 'max_position_embeddings') ?? (isSiglip(config) ? SIGLIP_TOKENS : undefined),
    valueAt(config, 'text_cfg', 'context_length'),
  ]);
  return limit ?? USUAL_TOKENS;
}

interface Opened {
  readonly session: Session;
  readonly graph: TextGraph;
  readonly tokenizer: Tokenizer;
  readonly model: ClipModel;
}

/** `maxTokens` where every text must be padded to it, undefined where padding doesn't matter. */
async function lengthForAll(
  { session, graph, tokenizer, model }: Opened,
  maxTokens: number,
  texts: readonly TokenIds[],
): Promise<number | undefined> {
  if (graph.mask !== undefined) return undefined;
  const embedAt = (fixedLength: number | undefined): TextTower['embed'] =>
    createEmbed({ session, graph, fixedLength, padId: tokenizer.padId, maxBatch: 1 });
  const padded = await embedAt(maxTokens)(texts);
  // A graph may name its sequence axis and yet have the length built in: then it fails here.
  const short = await embedAt(undefined)(texts).catch(() => []);
  const isInert = padded.every((vector, index) => {
    const other = short[index];
    if (!(vector instanceof Float32Array) || !(other instanceof Float32Array)) return false;
    return cosineDistance(vector, other) <= INERT[model.dtype];
  });
  return isInert ? undefined : maxTokens;
}

interface Feeding {
  readonly session: Session;
  readonly graph: TextGraph;
  /** Every text is padded to it; undefined: to the longest of its run. */
  readonly fixedLength: number | undefined;
  readonly padId: number;
  readonly maxBatch: number;
}

function createEmbed({ session, graph, fixedLength, padId, maxBatch }: Feeding): TextTower['embed'] {
  const perRun = graph.fixedBatch ?? maxBatch;
  return async (texts) => {
    const vectors: (Float32Array | RunnerError)[] = [];
    const lengths = texts.map((ids) => fixedLength ?? ids.length);
    for (const group of groupByLength(lengths, perRun)) {
      const length = Math.max(...group.map((index) => lengths[index] ?? 0));
      const rows = group.map((index) => texts[index] ?? []);
      const embeddings = await runRows(session, graph, { rows, length, padId });
      group.forEach((index, row) => (vectors[index] = normalise(embeddings, row)));
    }
    return vectors;
  };
}

interface Run {
  readonly rows: readonly TokenIds[];
  readonly length: number;
  readonly padId: number;
}

async function runRows(session: Session, graph: TextGraph, { rows, length, padId }: Run): Promise<TensorData> {
  const dims = [graph.fixedBatch ?? rows.length, length];
  const fill = (info: TensorInfo, value: (ids: TokenIds, place: number) => number): TensorData => {
    const flat = Array.from({ length: dims[0] ?? 0 }, (_, row) => {
      // Rows that only fill up a fixed batch repeat the first.
      const ids = rows[row] ?? rows[0] ?? [];
      return Array.from({ length }, (__, place) => value(ids, place));
    }).flat();
    const data = info.type === 'int64' ? BigInt64Array.from(flat.map(BigInt)) : Int32Array.from(flat);
    return { type: info.type, data, dims };
  };
  const feeds: Record<string, TensorData> = { [graph.ids.name]: fill(graph.ids, (ids, place) => ids[place] ?? padId) };
  const { mask, types, positions } = graph;
  if (mask !== undefined) feeds[mask.name] = fill(mask, (ids, place) => (place < ids.length ? 1 : 0));
  if (types !== undefined) feeds[types.name] = fill(types, () => 0);
  if (positions !== undefined) feeds[positions.name] = fill(positions, (_, place) => place);
  const outputs = await session.run(feeds);
  const embeddings = outputs[graph.output];
  if (embeddings === undefined) throw new RunnerError('RUN_FAILED', `The model gave no output "${graph.output}".`);
  return embeddings;
}
