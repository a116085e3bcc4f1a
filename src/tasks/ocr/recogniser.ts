import { RunnerError } from '../../errors.js';
import type { Session } from '../../tensor.js';
import { describeTensor, pickPictureInput, type GraphInput } from '../graph-input.js';
import { decodeSteps, type Reading, type Steps } from './ctc.js';
import { STRIP_HEIGHT, stripTensor, type Strip } from './strip.js';

/** Reads lines of text. */
export interface TextRecogniser {
  /**
   * The text of each strip of at most `WIDEST_STRIP`, or a `RunnerError` (`RUN_BAD_OUTPUT`) where the graph answered with
   * NaN or what is no probability. Any number of them; those of like width share runs.
   * @throws RunnerError `RUN_FAILED`
   */
  read(strips: readonly Strip[]): Promise<readonly (Reading | RunnerError)[]>;
}

export interface RecogniserOptions {
  readonly file: string;
  /** What the classes after the blank stand for. */
  readonly characters: readonly string[];
  /** Lines per run. */
  readonly maxBatch: number;
}

/** A line that is wider at the height of strips is squeezed. */
export const WIDEST_STRIP = 3200;
/**
 * A strip is padded to a multiple of this, which the width of its batch then is: what is read must not depend on the
 * lines that happen to be in the same run.
 */
const WIDTH_STEP = 160;
/** Training has seen none that is narrower. */
const LEAST_WIDTH = 320;
/** Rows x width of a run at most: an answer has thousands of numbers for every eight columns. */
const MAX_COLUMNS = 8192;
/** How far a probability of a strip in a batch may be from that of the strip alone. */
const TOLERANCE = 1e-2;

/**
 * Opens a graph of PP-OCR that reads lines, and tests it: probabilities, as many as there are characters, and a batch
 * that equals its strips one by one.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openTextRecogniser(session: Session, options: RecogniserOptions): Promise<TextRecogniser> {
  const { file, maxBatch } = options;
  const input = pickPictureInput(session, { width: undefined, height: STRIP_HEIGHT }, file);
  const graph: Graph = { session, input, file };
  const [steps] = await runGraph(graph, [testStrip(1)], LEAST_WIDTH);
  const characters = fitCharacters(options, steps?.classes ?? 0);
  await testRecogniser((strips) => runGraph(graph, strips, LEAST_WIDTH), { file, canBatch: input.fixedBatch !== 1 });

  async function read(strips: readonly Strip[]): Promise<readonly (Reading | RunnerError)[]> {
    const readings: (Reading | RunnerError)[] = [];
    for (const [width, places] of groupByWidth(strips)) {
      const rows = input.fixedBatch ?? Math.max(1, Math.min(maxBatch, Math.floor(MAX_COLUMNS / width)));
      for (let start = 0; start < places.length; start += rows) {
        const group = places.slice(start, start + rows);
        const answers = await runGraph(
          graph,
          group.flatMap((place) => strips[place] ?? []),
          width,
        );
        group.forEach((place, index) => (readings[place] = readingOf(answers[index], characters)));
      }
    }
    return readings;
  }

  return { read };
}

interface Graph {
  readonly session: Session;
  readonly input: GraphInput;
  readonly file: string;
}

async function runGraph(
  { session, input, file }: Graph,
  strips: readonly Strip[],
  width: number,
): Promise<readonly Steps[]> {
  const rows = input.fixedBatch ?? strips.length;
  const data = stripTensor(strips, width, rows);
  const outputs = await session.run({ [input.name]: { type: 'float32', data, dims: [rows, 3, STRIP_HEIGHT, width] } });
  const answer = outputs[session.outputs[0]?.name ?? ''];
  const [answered, , classes] = answer?.dims ?? [];
  if (!(answer?.data instanceof Float32Array) || answered !== rows || classes === undefined) {
    const found = session.outputs.map(describeTensor).join(', ');
    throw new RunnerError('MODEL_INVALID', `${file}: expected one output [batch, steps, classes], got ${found}.`);
  }
  const { data: values } = answer;
  const length = values.length / rows;
  return strips.map((_, index) => ({ data: values.subarray(index * length, (index + 1) * length), classes }));
}

/** Places of strips by the width that they are padded to. */
function groupByWidth(strips: readonly Strip[]): ReadonlyMap<number, readonly number[]> {
  const groups = new Map<number, number[]>();
  strips.forEach(({ width }, place) => {
    const padded = Math.max(LEAST_WIDTH, Math.ceil(width / WIDTH_STEP) * WIDTH_STEP);
    const places = groups.get(padded) ?? [];
    groups.set(padded, places);
    places.push(place);
  });
  return groups;
}

function readingOf(steps: Steps | undefined, characters: readonly string[]): Reading | RunnerError {
  const reading = steps === undefined ? undefined : decodeSteps(steps, characters);
  if (reading !== undefined) return reading;
  const what = 'expected probabilities from 0 to 1, got NaN or another number';
  return new RunnerError(
    'RUN_BAD_OUTPUT',
    `The text recogniser's answer can't be used: ${what}. Other photos of the batch are not affected.`,
  );
}

/** The characters of the classes after the blank: the model's own, and mostly a space behind them. */
function fitCharacters({ file, characters }: RecogniserOptions, classes: number): readonly string[] {
  if (classes === characters.length + 1) return characters;
  if (classes === characters.length + 2) return [...characters, ' '];
  throw new RunnerError(
    'MODEL_INVALID',
    `${file} tells ${classes} classes apart, but there are ${characters.length} characters: expected as many classes, and ` +
      'one or two more (nothing, and a space). Take the list of characters that belongs to the graph.',
  );
}

async function testRecogniser(
  ask: (strips: readonly Strip[]) => Promise<readonly Steps[]>,
  { file, canBatch }: { readonly file: string; readonly canBatch: boolean },
): Promise<void> {
  const strips = [testStrip(1), testStrip(2)];
  const alone: (Steps | undefined)[] = [];
  for (const strip of strips) alone.push((await ask([strip]))[0]);
  if (!alone.every((steps) => steps !== undefined && hasProbabilities(steps))) {
    throw failed(file, 'expected probabilities, which make 1 together, for each step');
  }
  if (!canBatch) return;
  const together = await ask(strips);
  together.forEach(({ data }, index) => {
    const other = alone[index]?.data;
    if (data.every((value, at) => Math.abs(value - (other?.[at] ?? NaN)) <= TOLERANCE)) return;
    throw failed(file, "a line's answer in a batch differs from its answer alone");
  });
}

function hasProbabilities({ data, classes }: Steps): boolean {
  for (let start = 0; start < data.length; start += classes) {
    const sum = data.subarray(start, start + classes).reduce((total, value) => total + value, 0);
    if (!(Math.abs(sum - 1) <= TOLERANCE)) return false;
  }
  return data.length > 0;
}

function failed(file: string, what: string): RunnerError {
  return new RunnerError(
    'MODEL_SELF_TEST',
    `The text recogniser ${file} failed its self-test: ${what}. The file may be damaged or not a text recogniser.`,
  );
}

/** Dark bars on a light ground, differing by seed. */
function testStrip(seed: number): Strip {
  const width = LEAST_WIDTH;
  const data = Uint8Array.from({ length: width * STRIP_HEIGHT * 3 }, (_, i) => {
    return Math.floor(((Math.floor(i / 3) % width) * seed) / 7) % 3 === 0 ? 40 : 220;
  });
  return { width, data };
}
