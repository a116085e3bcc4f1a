import { RunnerError } from '../../errors.js';
import type { Detection } from './detection.js';
import type { Point } from '../image/point.js';

/** The grids that detectors answer on: one cell for this many pixels of their input. */
export const STRIDES = [8, 16, 32] as const;

/** One stride's part of an answer, for one picture. Rows of `boxes` and `points` belong to the entries of `scores`. */
export interface GridAnswer {
  readonly stride: number;
  /** Cells of the grid across. */
  readonly columns: number;
  /** Answers per cell; they lie side by side. */
  readonly anchors: number;
  readonly scores: Float32Array;
  /** For YuNet: whether anything is there at all; empty otherwise. */
  readonly objectness: Float32Array;
  /** Four numbers per answer. */
  readonly boxes: Float32Array;
  /** Ten numbers per answer: five points. */
  readonly points: Float32Array;
}

/** How a family of detectors writes its answers. */
export interface AnswerDecoder {
  /** Of answer `index`, 0 to 1. */
  score(answer: GridAnswer, index: number): number;
  /** In pixels of the detector's input; `column` and `row` of the answer's cell. */
  detection(answer: GridAnswer, index: number, column: number, row: number, score: number): Detection;
}

/**
 * The answers whose score reaches the threshold, in pixels of the detector's input.
 * @throws RunnerError `RUN_BAD_OUTPUT` for numbers that are not finite: faces would be lost without a word
 */
export function decodeAnswers(
  answers: readonly GridAnswer[],
  decoder: AnswerDecoder,
  threshold: number,
): readonly Detection[] {
  const found: Detection[] = [];
  for (const answer of answers) {
    for (let index = 0; index < answer.scores.length; index++) {
      const score = decoder.score(answer, index);
      if (score < threshold) continue;
      const cell = Math.floor(index / answer.anchors);
      const row = Math.floor(cell / answer.columns);
      const detection = decoder.detection(answer, index, cell % answer.columns, row, score);
      if (!isUsable(detection)) throw badAnswer();
      found.push(detection);
    }
  }
  return found;
}

function isUsable({ box, score, landmarks }: Detection): boolean {
  return [score, box.x1, box.y1, box.x2, box.y2, ...landmarks.flat()].every(Number.isFinite);
}

function badAnswer(): RunnerError {
  return new RunnerError(
    'RUN_BAD_OUTPUT',
    "The face detector's answer can't be used: expected finite numbers, got NaN or infinity.",
  );
}

/** The five points of answer `index`: each an offset in strides from its cell's corner. */
export function landmarksOf({ stride, points }: GridAnswer, index: number, column: number, row: number): Point[] {
  return Array.from({ length: 5 }, (_, i): Point => {
    const x = points[index * 10 + i * 2] ?? 0;
    const y = points[index * 10 + i * 2 + 1] ?? 0;
    return [(column + x) * stride, (row + y) * stride];
  });
}
