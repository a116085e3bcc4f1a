import { RunnerError, coerceError } from '../../errors.js';
import type { Device } from '../../model.js';
import type { Session, TensorData } from '../../tensor.js';
import { decodeAnswers, STRIDES, type AnswerDecoder, type GridAnswer } from './anchors.js';
import type { Detection } from './detection.js';
import { describeTensor, pickPictureInput, type GraphInput } from '../graph-input.js';
import { centredPlanes, rawPlanes, writePlanes, type PlaneFormat } from '../image/planes.js';
import { scrfdDecoder } from './scrfd.js';
import { testDetector } from './detector-test.js';
import { yunetDecoder } from './yunet.js';

/** Finds faces in squares of `side x side x 3` bytes. */
export interface Detector {
  readonly device: Device;
  /** Pictures per run: 1 where the graph's batch is fixed at that, as it mostly is. */
  readonly maxBatch: number;
  /**
   * What was found in each picture, in its pixels and without suppression of overlaps; a `RunnerError`
   * (`RUN_BAD_OUTPUT`) where the graph answered with NaN or infinity for that picture alone. One call at a time: they
   * share a tensor.
   * @throws RunnerError `RUN_FAILED`
   */
  detect(pictures: readonly Uint8Array[]): Promise<readonly (readonly Detection[] | RunnerError)[]>;
}

export interface DetectorOptions {
  /** For messages. */
  readonly file: string;
  /** Side of the pictures in pixels; a multiple of 32. */
  readonly side: number;
  readonly maxBatch: number;
  /** The least score of a face. */
  readonly threshold: number;
}

/** A kind of detector, told by the number of outputs; their names differ from export to export, their order does not. */
interface Family {
  readonly decoder: AnswerDecoder;
  readonly format: PlaneFormat;
  /** What the outputs are, for three strides each. */
  readonly parts: readonly (keyof typeof PART_WIDTHS)[];
}

const PART_WIDTHS = { scores: 1, objectness: 1, boxes: 4, points: 10 } as const;

const FAMILIES: readonly Family[] = [
  { decoder: scrfdDecoder, format: centredPlanes(128), parts: ['scores', 'boxes', 'points'] },
  { decoder: yunetDecoder, format: rawPlanes('bgr'), parts: ['scores', 'objectness', 'boxes', 'points'] },
];

/**
 * Reads from the graph which kind of detector it is, and tests it.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openDetector(session: Session, options: DetectorOptions): Promise<Detector> {
  const { file, side, threshold } = options;
  checkSide(session, options);
  const input = pickPictureInput(session, { width: side, height: side }, file);
  const family = pickFamily(session, file);
  // A graph without an axis for the batch in its answers would lay those of several pictures end to end.
  const canBatch = session.outputs.every(({ shape }) => shape.length === 3);
  const maxBatch = input.fixedBatch ?? (canBatch ? options.maxBatch : 1);
  const graph: Graph = { session, input, family, side, file, scratch: new Float32Array() };
  const ask = (pictures: readonly Uint8Array[]): Promise<readonly (readonly GridAnswer[])[]> =>
    runGraph(graph, pictures);
  await testDetector(ask, { file, side, maxBatch, decoder: family.decoder });
  return {
    device: session.device,
    maxBatch,
    async detect(pictures) {
      const answers = await ask(pictures);
      return answers.map((answer) => {
        try {
          return decodeAnswers(answer, family.decoder, threshold);
        } catch (thrown) {
          return coerceError(thrown);
        }
      });
    },
  };
}

interface Graph {
  readonly session: Session;
  readonly input: GraphInput;
  readonly family: Family;
  readonly side: number;
  readonly file: string;
  /** The tensor of the last run, kept for the next: five megabytes that need not be cleared and freed for every photo. */
  scratch: Float32Array;
}

/** @throws RunnerError `MODEL_INVALID` for a graph that takes squares of another side */
function checkSide(session: Session, { file, side }: DetectorOptions): void {
  const [height, width] = session.inputs[0]?.shape.slice(2) ?? [];
  if (typeof height !== 'number' || height <= 0 || height !== width || height === side) return;
  throw new RunnerError(
    'MODEL_INVALID',
    `${file} takes pictures of ${height} x ${height} pixels alone, but FACE_SIZE (faceSize) is ${side}: set it to ${height}, or not at all.`,
  );
}

function pickFamily(session: Session, file: string): Family {
  const family = FAMILIES.find(({ parts }) => parts.length * STRIDES.length === session.outputs.length);
  if (family !== undefined) return family;
  const known =
    'SCRFD with landmarks has 9 (scores, boxes, landmarks for the strides 8, 16 and 32), YuNet has 12 (classes and objectness instead of scores)';
  const hint = session.outputs.length === 6 ? ' It looks like an SCRFD without landmarks: take a "_kps" one.' : '';
  throw new RunnerError(
    'MODEL_INVALID',
    `${file}: expected the outputs of a face detector (${known}), got ${session.outputs.length}.${hint}`,
  );
}

async function runGraph(graph: Graph, pictures: readonly Uint8Array[]): Promise<readonly (readonly GridAnswer[])[]> {
  const { session, input, family, side } = graph;
  const rows = input.fixedBatch ?? pictures.length;
  const length = 3 * side * side;
  if (graph.scratch.length < rows * length) graph.scratch = new Float32Array(rows * length);
  const data = graph.scratch.subarray(0, rows * length);
  pictures.forEach((picture, index) => writePlanes(data, index * length, picture, family.format));
  const outputs = await session.run({ [input.name]: { type: 'float32', data, dims: [rows, 3, side, side] } });
  const tensors = session.outputs.map(({ name }) => outputs[name]);
  return pictures.map((_, index) => STRIDES.map((_stride, place) => gridAnswer(graph, tensors, place, index, rows)));
}

/** The part of the outputs for one stride and one picture. */
function gridAnswer(
  graph: Graph,
  tensors: readonly (TensorData | undefined)[],
  place: number,
  picture: number,
  rows: number,
): GridAnswer {
  const { family, side } = graph;
  const stride = STRIDES[place] ?? 8;
  const columns = Math.ceil(side / stride);
  const none: Float32Array = new Float32Array();
  const answer = { stride, columns, anchors: 1, scores: none, objectness: none, boxes: none, points: none };
  family.parts.forEach((part, at) => {
    const tensor = tensors[at * STRIDES.length + place];
    const length = (tensor?.data.length ?? 0) / rows;
    const anchors = length / (PART_WIDTHS[part] * columns * columns);
    if (part === 'scores') answer.anchors = anchors;
    const isFit = tensor?.dims.at(-1) === PART_WIDTHS[part] && anchors >= 1 && anchors === answer.anchors;
    if (!isFit || !(tensor.data instanceof Float32Array) || !Number.isInteger(anchors)) {
      throw unfitOutput(graph, at * STRIDES.length + place, part);
    }
    answer[part] = tensor.data.subarray(picture * length, (picture + 1) * length);
  });
  return answer;
}

function unfitOutput({ session, side, file }: Graph, output: number, part: keyof typeof PART_WIDTHS): RunnerError {
  const found = session.outputs.map(describeTensor).join(', ');
  const width = PART_WIDTHS[part];
  return new RunnerError(
    'MODEL_INVALID',
    `${file}: expected float32 ${part} with ${width} number${width === 1 ? '' : 's'} per anchor of a ${side} x ${side} ` +
      `picture in output ${output + 1}, but it does not fit. The outputs are ${found}.`,
  );
}
