import { coerceError, RunnerError, type ErrorCode } from '../../../errors.js';
import type { Device, Dtype, ModelName } from '../../../model.js';
import type { WeightGroup } from '../../../models/weight-inventory.js';
import type { RunnerOptions } from '../../../options.js';
import { fidelityOf, ratioOf, spreadOf, type Fidelity, type Spread } from './figures.js';
import {
  Precision,
  readGraphFacts,
  type ClipSide,
  type GraphFacts,
  type Input,
  type PrecisionName,
} from './precision.js';
import { race } from './race.js';
import { judge, type Verdict } from './verdict.js';

/** What others are compared with. */
export const REFERENCE: Dtype = 'fp32';

/** One precision of one side: what it is, what it does, and what to think of it. */
export interface PrecisionRow {
  readonly dtype: Dtype;
  readonly side: ClipSide;
  readonly verdict: Verdict;
  /** The verdict in words. */
  readonly says: string;
  readonly fileBytes?: number;
  readonly weights?: readonly WeightGroup[];
  readonly device?: Device;
  readonly threads?: number;
  /** Inputs of a run. */
  readonly batch?: number;
  /** Of the process with the model, at its highest. */
  readonly memoryBytes?: number;
  readonly fidelity?: Fidelity;
  /** Milliseconds of the model per input, over so many rounds. */
  readonly ms?: Spread;
  readonly rounds?: number;
  /** How many times as fast as fp32, round by round. */
  readonly ratio?: Spread;
  /** Why it does not run. */
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

export interface SideRequest {
  readonly model: ModelName;
  readonly side: ClipSide;
  /** Without the reference. */
  readonly dtypes: readonly Dtype[];
  readonly inputs: readonly Input[];
  readonly options: RunnerOptions;
  readonly onProgress: (line: string) => void;
}

interface SideResult {
  readonly rows: readonly PrecisionRow[];
  /** Inputs that even the reference has no vector for, such as broken photos. */
  readonly leftOut: number;
}

/** The reference as it is while the others come and go. */
interface Reference {
  readonly precision: Precision;
  readonly facts: GraphFacts;
  readonly inputs: readonly Input[];
  readonly vectors: readonly Float32Array[];
  /** Milliseconds of each round against any of the others. */
  readonly times: number[];
}

/**
 * Compares precisions of one side with fp32. At most two are loaded at a time.
 * @throws RunnerError where fp32 itself can't be loaded, or has no vector for any input
 */
export async function compareSide(request: SideRequest): Promise<SideResult> {
  const { model, side, dtypes, options, onProgress } = request;
  onProgress(`loading ${REFERENCE} …`);
  const name: PrecisionName = { model, side, dtype: REFERENCE };
  const facts = await readGraphFacts(name, options);
  const precision = await Precision.open(name, options);
  try {
    const { inputs, vectors } = await embedWithReference(precision, request.inputs);
    const reference: Reference = { precision, facts, inputs, vectors, times: [] };
    const others: PrecisionRow[] = [];
    for (const dtype of dtypes) others.push(await comparePrecision(dtype, reference, request));
    const { device, threads, batch } = precision;
    const row: PrecisionRow = {
      ...{ dtype: REFERENCE, side, verdict: 'reference', says: 'what the others are compared with' },
      ...{ ...facts, device, threads, batch, memoryBytes: await precision.memoryBytes() },
      ...(reference.times.length > 0 ? { ms: spreadOf(reference.times), rounds: reference.times.length } : {}),
    };
    return { rows: [row, ...others], leftOut: request.inputs.length - inputs.length };
  } finally {
    await precision.close();
  }
}

async function embedWithReference(
  precision: Precision,
  inputs: readonly Input[],
): Promise<Pick<Reference, 'inputs' | 'vectors'>> {
  const results = await precision.embed(inputs);
  const vectors = results.filter((result) => result instanceof Float32Array);
  const usable = inputs.filter((_, place) => results[place] instanceof Float32Array);
  const [failure] = results.filter((result) => result instanceof RunnerError);
  if (vectors.length === 0 && failure !== undefined) throw failure;
  return { inputs: usable, vectors };
}

async function comparePrecision(dtype: Dtype, reference: Reference, request: SideRequest): Promise<PrecisionRow> {
  const { model, side, options, onProgress } = request;
  const name = { model, side, dtype };
  let facts: GraphFacts | undefined;
  let precision: Precision | undefined;
  try {
    onProgress(`loading ${dtype} …`);
    facts = await readGraphFacts(name, options);
    precision = await Precision.open(name, options);
    onProgress(`comparing ${dtype} with ${REFERENCE} …`);
    return { dtype, side, ...facts, ...(await measure(dtype, facts, precision, reference)) };
  } catch (thrown) {
    return { dtype, side, ...facts, ...failedRow(coerceError(thrown), precision?.device ?? options.device) };
  } finally {
    await precision?.close();
  }
}

async function measure(
  dtype: Dtype,
  facts: GraphFacts,
  precision: Precision,
  reference: Reference,
): Promise<Omit<PrecisionRow, 'dtype' | 'side'>> {
  const { device, threads, batch } = precision;
  const { inputs, vectors, times } = reference;
  const results = await precision.embed(inputs);
  const isGiven = (place: number): boolean => results[place] instanceof Float32Array;
  const given = results.filter((result) => result instanceof Float32Array);
  const failures = results.filter((result) => result instanceof RunnerError).map(({ message }) => message);
  const expected = vectors.filter((_, place) => isGiven(place));
  if (given[0] !== undefined && given[0].length !== expected[0]?.length) {
    throw new RunnerError(
      'MODEL_INVALID',
      `Expected vectors of ${expected[0]?.length ?? 0} numbers as ${REFERENCE} makes them, got ${given[0].length}: the ` +
        'graphs are of different models. Take all of them from the same export.',
    );
  }
  const fidelity = fidelityOf(expected, given);
  const rounds = await race(
    () => reference.precision.time(inputs),
    () => precision.time(inputs),
  );
  times.push(...rounds.reference);
  const ratio = ratioOf(rounds.reference, rounds.candidate);
  const { fileBytes } = facts;
  return {
    ...judge({
      ...{ dtype, device, fidelity, failures, ratio, fileBytes },
      referenceDevice: reference.precision.device,
      referenceBytes: reference.facts.fileBytes,
    }),
    ...{ device, threads, batch, memoryBytes: await precision.memoryBytes() },
    ...(given.length > 0 ? { fidelity } : {}),
    ...{ ms: spreadOf(rounds.candidate), rounds: rounds.candidate.length, ratio },
  };
}

/** A model that fails its self-test is loaded, and useless. */
function failedRow(
  { code, message }: RunnerError,
  device: Device = 'auto',
): Pick<PrecisionRow, 'verdict' | 'says' | 'error'> {
  const error = { code, message };
  if (code === 'MODEL_SELF_TEST' || code === 'RUN_BAD_OUTPUT')
    return { verdict: 'unfit', says: `unfit: ${message}`, error };
  return { verdict: 'failed', says: `does not run here (device ${device}): ${message}`, error };
}
