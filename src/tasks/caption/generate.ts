import { RunnerError } from '../../errors.js';
import type { Session, TensorData } from '../../tensor.js';
import { fromFloat16Bits } from '../float16.js';
import { emptyDims, type DecoderGraph } from './decoder-graph.js';
import { dropEntry, dropRow } from './rows.js';

export interface Generation {
  readonly session: Session;
  readonly graph: DecoderGraph;
  /** For messages. */
  readonly file: string;
  /** The id that a sentence begins with. */
  readonly startId: number;
  /** The id that ends one. */
  readonly endId: number;
  /** Ids after the first, at most. */
  readonly maxNewTokens: number;
}

/** The encoder's outputs for a batch of pictures: `last_hidden_state`, and the picture's keys and values where it has them. */
export type EncodedPictures = Readonly<Record<string, TensorData>>;

/**
 * Greedy search with a key/value cache over a batch: each step every open sentence gets its likeliest next id. A sentence
 * that has ended leaves the batch, so that later steps cost only what is still open.
 * @returns per picture the ids after the first, the end id included where it was reached; or `RUN_BAD_OUTPUT` where the
 *   graph answered with NaN for that picture
 * @throws RunnerError `RUN_FAILED`
 */
export async function generate(
  pictures: EncodedPictures,
  rows: number,
  generation: Generation,
): Promise<readonly (readonly number[] | RunnerError)[]> {
  const { session, graph, endId, maxNewTokens } = generation;
  const results: (number[] | RunnerError)[] = Array.from({ length: rows }, () => []);
  const open = results.map((_, picture) => picture);
  let next = open.map(() => generation.startId);
  let feeds = firstFeeds(pictures, rows, generation);
  for (let step = 0; step < maxNewTokens && open.length > 0; step++) {
    const outputs = await session.run({ ...feeds, ...stepFeeds(graph, next, step > 0) });
    feeds = advance(graph, feeds, outputs);
    const best = bestIds(outputs[graph.logits], open.length);
    // From the last on, so that a row which moves up has been looked at already.
    for (let place = open.length - 1; place >= 0; place--) {
      const picture = open[place] ?? 0;
      const id = best[place];
      const sentence = results[picture];
      if (id === undefined) results[picture] = notANumber();
      else if (Array.isArray(sentence)) sentence.push(id);
      if (id !== undefined && id !== endId) continue;
      dropEntry(open, place);
      dropEntry(best, place);
      feeds = mapValues(feeds, (tensor) => dropRow(tensor, place));
    }
    next = best.map((id) => id ?? endId);
  }
  return results;
}

type Feeds = Readonly<Record<string, TensorData>>;

function firstFeeds(pictures: EncodedPictures, rows: number, { graph, file }: Generation): Feeds {
  const feeds: Record<string, TensorData> = {};
  const states = pictures['last_hidden_state'];
  if (graph.states !== undefined) {
    if (states === undefined) throw new RunnerError('RUN_FAILED', `${file}: the encoder gave no last_hidden_state.`);
    feeds[graph.states] = states;
  }
  for (const slot of graph.slots) {
    const { input, output, isPicture } = slot;
    const given =
      isPicture && output === undefined ? pictures[input.name.replace('past_key_values', 'present')] : undefined;
    feeds[input.name] = given ?? emptyTensor(input.type, emptyDims(slot, rows, file));
  }
  return feeds;
}

function emptyTensor(type: string, dims: readonly number[]): TensorData {
  return { type, data: type === 'float16' ? new Uint16Array(0) : new Float32Array(0), dims };
}

function stepFeeds({ ids, switchInput }: DecoderGraph, next: readonly number[], hasCache: boolean): Feeds {
  const data = ids.type === 'int32' ? Int32Array.from(next) : BigInt64Array.from(next.map(BigInt));
  const feeds: Record<string, TensorData> = { [ids.name]: { type: ids.type, data, dims: [next.length, 1] } };
  if (switchInput !== undefined)
    feeds[switchInput] = { type: 'bool', data: Uint8Array.of(hasCache ? 1 : 0), dims: [1] };
  return feeds;
}

/** The cache for the next step. Optimum's branch with a cache answers placeholders for what is the picture's: the first stay. */
function advance({ slots }: DecoderGraph, feeds: Feeds, outputs: Feeds): Feeds {
  const next: Record<string, TensorData> = { ...feeds };
  for (const { input, output, isPicture } of slots) {
    const present = output === undefined ? undefined : outputs[output];
    const isPlaceholder = isPicture && (feeds[input.name]?.data.length ?? 0) > 0;
    if (present !== undefined && !isPlaceholder) next[input.name] = present;
  }
  return next;
}

/** The likeliest id after each row's last one, the smallest of equals; undefined where a value is NaN. */
function bestIds(logits: TensorData | undefined, rows: number): (number | undefined)[] {
  const length = logits?.dims[1] ?? 0;
  const width = logits?.dims[2] ?? 0;
  if (logits === undefined || logits.dims[0] !== rows || length === 0 || width === 0) {
    const got = logits === undefined ? 'none' : `[${logits.dims.join(',')}]`;
    throw new RunnerError('RUN_FAILED', `Expected logits of [${rows}, length, vocabulary], got ${got}.`);
  }
  return Array.from({ length: rows }, (_, row) => {
    const start = (row * length + length - 1) * width;
    return bestId(readFloats(logits, start, start + width));
  });
}

function readFloats({ type, data }: TensorData, start: number, end: number): Float32Array {
  const part = data.subarray(start, end);
  if (part instanceof Uint16Array && type === 'float16') return fromFloat16Bits(part);
  if (part instanceof Float32Array) return part;
  throw new RunnerError('RUN_FAILED', `Expected logits of type float32 or float16, got ${type}.`);
}

function bestId(logits: Float32Array): number | undefined {
  let best = 0;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] ?? 0;
    if (Number.isNaN(value)) return undefined;
    if (value > most) {
      most = value;
      best = id;
    }
  }
  return most === -Infinity ? undefined : best;
}

function notANumber(): RunnerError {
  return new RunnerError('RUN_BAD_OUTPUT', 'The caption model answered with values that are no numbers (NaN).');
}

function mapValues(feeds: Feeds, map: (tensor: TensorData) => TensorData): Feeds {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, map(tensor)]));
}
