import { RunnerError } from '../../errors.js';
import type { CaptionModel } from '../../model.js';
import type { Session, TensorData, TensorInfo } from '../../tensor.js';
import { floatTensor } from '../floats.js';

/** What an encoder makes of a batch: `last_hidden_state`, and the pictures' keys and values where it has them. */
export type EncodedPictures = Readonly<Record<string, TensorData>>;

/** Makes of pictures what the decoder of their captioner is given. */
export interface PictureEncoder {
  readonly outputs: readonly TensorInfo[];
  /**
   * Takes pictures as the tensors that `preprocess` of their model makes.
   * @throws RunnerError `RUN_FAILED`
   */
  encode(tensors: readonly Float32Array[]): Promise<EncodedPictures>;
}

/**
 * The encoder that is one graph, which takes pictures.
 * @throws RunnerError `MODEL_INVALID`
 */
export function openPictureEncoder(session: Session, model: CaptionModel): PictureEncoder {
  const input = pickInput(session, model);
  const { width, height } = model.preprocess.crop;
  const stride = 3 * width * height;
  return {
    outputs: session.outputs,
    async encode(tensors) {
      const pixels = new Float32Array(tensors.length * stride);
      tensors.forEach((tensor, index) => pixels.set(tensor, index * stride));
      return session.run({ [input.name]: floatTensor(pixels, [tensors.length, 3, height, width], input.type) });
    },
  };
}

function pickInput(session: Session, { encoderFile, preprocess }: CaptionModel): TensorInfo {
  const { width, height } = preprocess.crop;
  const [input] = session.inputs;
  const isPicture = input?.shape.length === 4 && (input.type === 'float32' || input.type === 'float16');
  const fits = [3, height, width].every((side, index) => {
    const axis = input?.shape[index + 1];
    return typeof axis !== 'number' || axis < 0 || axis === side;
  });
  if (input !== undefined && session.inputs.length === 1 && isPicture && fits) return input;
  const found = session.inputs.map(({ name, type, shape }) => `${name} ${type}[${shape.join(',')}]`).join(', ');
  throw new RunnerError(
    'MODEL_INVALID',
    `${encoderFile}: expected one input [batch, 3, ${height}, ${width}] of floats, got ${found}.`,
  );
}
