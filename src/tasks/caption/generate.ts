import { RunnerError } from '../../errors.js';
import type { SentenceRules } from '../../model.js';
import type { Session, TensorData } from '../../tensor.js';
import { asType, floatsOf } from '../floats.js';
import type { RunControl } from '../task.js';
import { chooseId } from './choose-id.js';
import { emptyDims, type DecoderGraph } from './decoder-graph.js';
import type { Embedder } from './embedder.js';
import { maskFor } from './mask.js';
import type { EncodedPictures } from './picture-encoder.js';
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
  readonly rules: SentenceRules;
  /** Makes the decoder's `tokens` of rows of one id. */
  readonly feedTokens: Embedder;
  /** Asked before each step. */
  readonly control: RunControl;
}

/**
 * Greedy search with a key/value cache over a batch: each step every open sentence gets the likeliest id that its model's
 * rules allow. A sentence that has ended leaves the batch, so that later steps cost only what is still open.
 * @returns per picture the ids after the first, the end id included where it was reached; or `RUN_BAD_OUTPUT` where the
 *   graph answered with NaN for that picture
 * @throws RunnerError `RUN_FAILED`, `RUNNER_STOPPED`
 */
export async function generate(
  pictures: EncodedPictures,
  rows: number,
  generation: Generation,
): Promise<readonly (readonly number[] | RunnerError)[]> {
  const { session, graph, startId, endId, maxNewTokens, rules, control } = generation;
  const results: (number[] | RunnerError)[] = Array.from({ length: rows }, () => []);
  const open = results.map((_, picture) => picture);
  let next = open.map(() => startId);
  let feeds = firstFeeds(pictures, rows, generation);
  for (let step = 0; step < maxNewTokens && open.length > 0; step++) {
    control.throwIfStopped();
    const outputs = await session.run({ ...feeds, ...(await stepFeeds(generation, next, step > 0)) });
    feeds = advance(graph, feeds, outputs);
    const logits = rowsOf(outputs[graph.logits], open.length);
    const isLast = step === maxNewTokens - 1;
    const best = open.map((picture, place) => {
      const sentence = results[picture];
      const ids = Array.isArray(sentence) ? [startId, ...sentence] : [startId];
      return chooseId(logits(place), { ids, isLast, rules });
    });
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
    feeds[graph.states.name] = asType(states, graph.states.type);
    if (graph.statesMask !== undefined) feeds[graph.statesMask.name] = maskFor(states, graph.statesMask);
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

async function stepFeeds(
  { graph: { tokens, switchInput }, feedTokens }: Generation,
  next: readonly number[],
  hasCache: boolean,
): Promise<Feeds> {
  const feeds: Record<string, TensorData> = {
    [tokens.name]: asType(await feedTokens(next.map((id) => [id])), tokens.type),
  };
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

/** The logits after each row's last token. */
function rowsOf(logits: TensorData | undefined, rows: number): (row: number) => Float32Array {
  const length = logits?.dims[1] ?? 0;
  const width = logits?.dims[2] ?? 0;
  if (logits === undefined || logits.dims[0] !== rows || length === 0 || width === 0) {
    const got = logits === undefined ? 'none' : `[${logits.dims.join(',')}]`;
    throw new RunnerError('RUN_FAILED', `Expected logits of [${rows}, length, vocabulary], got ${got}.`);
  }
  return (row) => {
    const start = (row * length + length - 1) * width;
    return floatsOf({ type: logits.type, data: logits.data.subarray(start, start + width) });
  };
}

function notANumber(): RunnerError {
  return new RunnerError('RUN_BAD_OUTPUT', 'The caption model answered with values that are no numbers (NaN).');
}

function mapValues(feeds: Feeds, map: (tensor: TensorData) => TensorData): Feeds {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, map(tensor)]));
}
