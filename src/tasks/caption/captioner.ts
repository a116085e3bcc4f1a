import { RunnerError } from '../../errors.js';
import type { CaptionModel } from '../../model.js';
import type { Session, TensorInfo } from '../../tensor.js';
import { toFloat16Bits } from '../float16.js';
import { normalise } from '../normalise.js';
import { selfTest } from '../self-test.js';
import { testPictures } from '../test-pictures.js';
import { readDecoderGraph } from './decoder-graph.js';
import { generate, type EncodedPictures } from './generate.js';

/** Describes pictures in a sentence. */
export interface Captioner {
  /**
   * Per picture, given as the tensor that `preprocess` of its model makes, the ids of its sentence (first id left out), or
   * the failure of that picture alone (`RUN_BAD_OUTPUT`).
   * @throws RunnerError `RUN_FAILED`
   */
  describe(tensors: readonly Float32Array[]): Promise<readonly (readonly number[] | RunnerError)[]>;
}

export interface CaptionerOptions {
  readonly encoder: Session;
  readonly decoder: Session;
  readonly model: CaptionModel;
  /** Ids after the first, at most. */
  readonly maxNewTokens: number;
  readonly maxBatch: number;
}

/** Ids of each sample's sentence in the self-test. */
const SAMPLE_TOKENS = 3;

/**
 * Reads from the graphs what they want, and tests them: states that are finite, differ by picture and don't depend on the
 * batch, and sentences of a few ids.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openCaptioner(options: CaptionerOptions): Promise<Captioner> {
  const { encoder, decoder, model, maxNewTokens, maxBatch } = options;
  const encode = encoderOf(encoder, model);
  const graph = readDecoderGraph(decoder, encoder.outputs, model.decoderFile);
  const { startId, endId, decoderFile: file } = model;
  const describe = async (tensors: readonly Float32Array[], limit: number): ReturnType<Captioner['describe']> => {
    const generation = { session: decoder, graph, file, startId, endId, maxNewTokens: limit };
    return generate(await encode(tensors), tensors.length, generation);
  };
  const samples = testPictures(model.preprocess);
  const embed = async (tensors: readonly Float32Array[]): Promise<readonly (Float32Array | RunnerError)[]> =>
    tensors.map(stateVectors(await encode(tensors), model));
  const { name: label, encoderFile, dtype } = model;
  await selfTest(embed, samples, { label, file: encoderFile, dtype, input: 'photo' }, maxBatch);
  const failed = (await describe(samples, SAMPLE_TOKENS)).find((sample) => sample instanceof RunnerError);
  if (failed !== undefined)
    throw new RunnerError('MODEL_SELF_TEST', `The model "${label}" (${file}) failed its self-test: ${failed.message}`);
  return { describe: (tensors) => describe(tensors, maxNewTokens) };
}

type Encode = (tensors: readonly Float32Array[]) => Promise<EncodedPictures>;

function encoderOf(session: Session, model: CaptionModel): Encode {
  const input = pickInput(session, model);
  const { width, height } = model.preprocess.crop;
  const stride = 3 * width * height;
  return async (tensors) => {
    const pixels = new Float32Array(tensors.length * stride);
    tensors.forEach((tensor, index) => pixels.set(tensor, index * stride));
    const data = input.type === 'float16' ? toFloat16Bits(pixels) : pixels;
    return session.run({ [input.name]: { type: input.type, data, dims: [tensors.length, 3, height, width] } });
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

/** Each picture's states as one unit vector, for the self-test. */
function stateVectors(
  outputs: EncodedPictures,
  { encoderFile }: CaptionModel,
): (tensor: Float32Array, row: number) => Float32Array | RunnerError {
  const states = outputs['last_hidden_state'];
  if (states === undefined)
    throw new RunnerError(
      'MODEL_INVALID',
      `${encoderFile}: expected an output last_hidden_state [batch, places, width].`,
    );
  const rows = states.dims[0] ?? 1;
  return (_, row) => normalise({ ...states, dims: [rows, states.data.length / rows] }, row);
}
