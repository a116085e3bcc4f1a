import { RunnerError } from '../../errors.js';
import type { AnswerDecoder, GridAnswer } from './anchors.js';

/** How far a number of a picture's answer in a batch may be from that of the picture alone. */
const TOLERANCE = 1e-3;

export interface TestedDetector {
  readonly file: string;
  readonly side: number;
  readonly maxBatch: number;
  readonly decoder: AnswerDecoder;
}

/**
 * Lets a detector answer to built-in pictures before it is called ready. There is no face in them, so this tells a
 * damaged graph or a wrong export, not a bad detector.
 * @throws RunnerError `MODEL_SELF_TEST` where answers are not finite, are no probabilities, or depend on their batch;
 *   `MODEL_INVALID` where their shapes don't fit
 */
export async function testDetector(
  ask: (pictures: readonly Uint8Array[]) => Promise<readonly (readonly GridAnswer[])[]>,
  { file, side, maxBatch, decoder }: TestedDetector,
): Promise<void> {
  const pictures = [1, 2].map((seed) => testPicture(side, seed));
  const alone: (readonly GridAnswer[])[] = [];
  for (const picture of pictures) {
    const [answer = []] = await ask([picture]);
    for (const part of answer) checkAnswer(part, file, decoder);
    alone.push(answer);
  }
  if (maxBatch === 1) return;
  const together = await ask(pictures);
  together.forEach((answer, index) => {
    const far = distance(answer, alone[index] ?? []);
    if (!(far <= TOLERANCE))
      throw failed(file, `a picture's answer in a batch differs from its answer alone by ${far.toExponential(1)}`);
  });
}

function checkAnswer(answer: GridAnswer, file: string, decoder: AnswerDecoder): void {
  const isFinite = [answer.scores, answer.objectness, answer.boxes, answer.points].every((values) =>
    values.every(Number.isFinite),
  );
  if (!isFinite) throw failed(file, 'its answer has NaN or infinity');
  const wrong = answer.scores.findIndex((_, index) => {
    const score = decoder.score(answer, index);
    return score < 0 || score > 1;
  });
  if (wrong >= 0) throw failed(file, `expected scores from 0 to 1, got ${answer.scores[wrong] ?? 0}`);
}

/** The largest difference of two answers to the same picture. */
function distance(one: readonly GridAnswer[], other: readonly GridAnswer[]): number {
  let far = 0;
  one.forEach((answer, place) => {
    for (const part of ['scores', 'objectness', 'boxes', 'points'] as const) {
      answer[part].forEach((value, index) => {
        far = Math.max(far, Math.abs(value - (other[place]?.[part][index] ?? NaN)));
      });
    }
  });
  return far;
}

/** Slow waves over the whole picture, differing by seed. */
function testPicture(side: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: side * side * 3 }, (_, i) => 127 + 100 * Math.sin((i * seed) / 997));
}

function failed(file: string, what: string): RunnerError {
  return new RunnerError(
    'MODEL_SELF_TEST',
    `The face detector ${file} failed its self-test: ${what}. The file may be damaged or not a face detector.`,
  );
}
