import { RunnerError } from '../../errors.js';
import { describeTensor, pickPictureInput } from '../graph-input.js';
import type { TaskContext } from '../task.js';
import { STRIP_HEIGHT, stripTensor, type Strip } from './strip.js';

/** Tells lines that stand on their head. */
export interface OrientationClassifier {
  /**
   * Whether each strip, of at most `CLASSIFIED_WIDTH`, is upside down; any number of them.
   * @throws RunnerError `RUN_FAILED`
   */
  areUpsideDown(strips: readonly Strip[]): Promise<readonly boolean[]>;
  close(): Promise<void>;
}

/** Width in pixels of what the classifier sees of a line. */
export const CLASSIFIED_WIDTH = 192;
/** Lines per run; each is little work. */
const MAX_ROWS = 32;
/** A line is turned if it is upside down with more probability than this. */
const CERTAIN = 0.9;

/**
 * Opens PP-OCR's classifier of lines: two probabilities, of "upright" and of "upside down".
 * @throws RunnerError `MODEL_INVALID`
 */
export async function openOrientation(
  { openSession }: Pick<TaskContext, 'openSession'>,
  file: string,
): Promise<OrientationClassifier> {
  const session = await openSession(file);
  const input = pickPictureInput(session, { width: CLASSIFIED_WIDTH, height: STRIP_HEIGHT }, file);
  const maxRows = input.fixedBatch ?? MAX_ROWS;

  async function ask(strips: readonly Strip[]): Promise<readonly boolean[]> {
    const rows = input.fixedBatch ?? strips.length;
    const data = stripTensor(strips, CLASSIFIED_WIDTH, rows);
    const outputs = await session.run({
      [input.name]: { type: 'float32', data, dims: [rows, 3, STRIP_HEIGHT, CLASSIFIED_WIDTH] },
    });
    const answer = outputs[session.outputs[0]?.name ?? ''];
    if (answer?.dims.join() !== [rows, 2].join()) {
      const found = session.outputs.map(describeTensor).join(', ');
      throw new RunnerError('MODEL_INVALID', `${file}: expected one output [batch, 2], but the outputs are ${found}.`);
    }
    return strips.map((_, index) => Number(answer.data[index * 2 + 1]) > CERTAIN);
  }

  await ask([{ width: 1, data: new Uint8Array(STRIP_HEIGHT * 3) }]);
  return {
    async areUpsideDown(strips) {
      const answers: boolean[] = [];
      for (let start = 0; start < strips.length; start += maxRows) {
        answers.push(...(await ask(strips.slice(start, start + maxRows))));
      }
      return answers;
    },
    close: () => session.close(),
  };
}
