import { RunnerError } from '../../errors.js';
import type { CaptionModel, Device } from '../../model.js';
import type { Session, TensorData, TensorInfo } from '../../tensor.js';
import { floatTensor } from '../floats.js';
import { pictureBatch } from '../image/picture-batch.js';
import type { RunControl } from '../task.js';
import { emptyRows, putRow } from './rows.js';

/** What an encoder makes of a batch: `last_hidden_state`, and the pictures' keys and values where it has them. */
export type EncodedPictures = Readonly<Record<string, TensorData>>;

/** Makes of pictures what the decoder of their captioner is given. */
export interface PictureEncoder {
  readonly outputs: readonly TensorInfo[];
  readonly device: Device;
  /**
   * Takes pictures as `cropPixels()` makes them.
   * @throws RunnerError `RUN_FAILED`; `RUNNER_STOPPED` where `control` stops it between two steps
   */
  encode(pictures: readonly Uint8Array[], control: RunControl): Promise<EncodedPictures>;
}

/**
 * Encodes a batch picture by picture: on the processor one of them fills all cores, and takes so long that a stop must not
 * wait for eight. What the encoder says of them is put together for the decoder, whose steps cost little more for many.
 */
export function oneByOne(encoder: PictureEncoder): PictureEncoder {
  return {
    ...encoder,
    async encode(pictures, control) {
      if (pictures.length === 1) return encoder.encode(pictures, control);
      const joined: Record<string, TensorData> = {};
      for (const [row, picture] of pictures.entries()) {
        control.throwIfStopped();
        const encoded = await encoder.encode([picture], control);
        for (const [name, said] of Object.entries(encoded)) {
          const target = (joined[name] ??= emptyRows(said, pictures.length));
          putRow(target, row, said);
        }
      }
      return joined;
    },
  };
}

/**
 * The encoder that is one graph, which takes pictures.
 * @throws RunnerError `MODEL_INVALID`
 */
export function openPictureEncoder(session: Session, model: CaptionModel): PictureEncoder {
  const input = pickInput(session, model);
  const { width, height } = model.preprocess.crop;
  const batch = pictureBatch(model.preprocess);
  return {
    outputs: session.outputs,
    device: session.device,
    async encode(pictures) {
      const dims = [pictures.length, 3, height, width];
      return session.run({ [input.name]: floatTensor(batch.join(pictures), dims, input.type) });
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
