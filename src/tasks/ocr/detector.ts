import { RunnerError } from '../../errors.js';
import type { Session, TensorData } from '../../tensor.js';
import { describeTensor, pickPictureInput } from '../graph-input.js';
import { writePlanes } from '../image/planes.js';
import type { Picture } from './canvas.js';
import type { TextMap } from './find-boxes.js';
import { TEXT_PLANES } from './strip.js';

/** Tells for each pixel of a picture how probable text is there. */
export interface TextDetector {
  /**
   * Sides of the picture: multiples of 32. Pictures differ in size, so each has a run of its own.
   * @throws RunnerError `RUN_FAILED`; `RUN_BAD_OUTPUT` where the graph answered with NaN or what is no probability
   */
  detect(picture: Picture): Promise<TextMap>;
}

/**
 * Opens a graph of DBNet, as PP-OCR has it, and tests it with a built-in picture.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openTextDetector(session: Session, file: string): Promise<TextDetector> {
  const input = pickPictureInput(session, { width: undefined, height: undefined }, file);

  async function ask({ width, height, data }: Picture): Promise<TextMap> {
    const tensor = new Float32Array(width * height * 3);
    writePlanes(tensor, 0, data, TEXT_PLANES);
    const outputs = await session.run({
      [input.name]: { type: 'float32', data: tensor, dims: [1, 3, height, width] },
    });
    const map = outputs[session.outputs[0]?.name ?? ''];
    if (!isMap(map, width, height)) throw unfitOutput(session, file, width, height);
    return { width, height, data: map.data };
  }

  const { data } = await ask(testPicture(64, 96));
  if (!isProbable(data)) {
    throw new RunnerError(
      'MODEL_SELF_TEST',
      `The text detector ${file} failed its self-test: expected probabilities from 0 to 1. The file may be damaged or not ` +
        'a text detector.',
    );
  }
  return {
    async detect(picture) {
      const map = await ask(picture);
      if (isProbable(map.data)) return map;
      const what = 'expected probabilities from 0 to 1, got NaN or another number';
      throw new RunnerError('RUN_BAD_OUTPUT', `The text detector's answer to this photo can't be used: ${what}.`);
    },
  };
}

function isMap(
  tensor: TensorData | undefined,
  width: number,
  height: number,
): tensor is TensorData & { readonly data: Float32Array } {
  return tensor?.data instanceof Float32Array && tensor.dims.join() === [1, 1, height, width].join();
}

function isProbable(values: Float32Array): boolean {
  // A plain loop: this is looked at for every pixel of every photo.
  for (let i = 0; i < values.length; i++)
    if (!((values[i] as number) >= 0 && (values[i] as number) <= 1.001)) return false;
  return true;
}

function unfitOutput(session: Session, file: string, width: number, height: number): RunnerError {
  const found = session.outputs.map(describeTensor).join(', ');
  return new RunnerError(
    'MODEL_INVALID',
    `${file}: expected the map of a text detector, float32 [1, 1, ${height}, ${width}] for a picture of that size, but ` +
      `the outputs are ${found}.`,
  );
}

/** Grey stripes. */
function testPicture(width: number, height: number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 48) % 2) * 200);
  return { width, height, data };
}
