import { RunnerError } from '../../errors.js';
import type { Session, TensorData, TensorInfo } from '../../tensor.js';
import { floatsOf, floatTensor } from '../floats.js';
import type { Embedder } from './embedder.js';
import { maskFor } from './mask.js';
import type { PictureEncoder } from './picture-encoder.js';

export interface PromptedEncoderOptions {
  /** Makes features of pictures: [batch, places, width]. */
  readonly pictures: PictureEncoder;
  /** Reads the features of a picture and a prompt's embeddings behind them. */
  readonly session: Session;
  readonly embed: Embedder;
  /** The prompt with its special ids. */
  readonly promptIds: readonly number[];
  /** That of `session`, for messages. */
  readonly file: string;
}

/**
 * The encoder of a captioner that is asked in words, such as Florence-2: a graph for pictures, then one that reads what it
 * says of each, followed by the same prompt. The prompt is embedded once.
 * @throws RunnerError `MODEL_INVALID`, `RUN_FAILED`
 */
export async function openPromptedEncoder(options: PromptedEncoderOptions): Promise<PictureEncoder> {
  const { pictures, session, embed, promptIds, file } = options;
  const { embeds, mask } = readInputs(session, file);
  const feature = pictures.outputs[0]?.name ?? '';
  const prompt = await embed([promptIds]);
  return {
    outputs: session.outputs,
    device: session.device,
    async encode(photos, control) {
      const features = (await pictures.encode(photos, control))[feature];
      if (features?.dims.length !== 3 || features.dims[2] !== prompt.dims[2]) {
        const expected = `expected pictures of [batch, places, ${prompt.dims[2] ?? 0}] for the prompt's embeddings`;
        throw new RunnerError('RUN_FAILED', `${file}: ${expected}, got [${features?.dims.join(',') ?? ''}].`);
      }
      const joined = join(features, prompt, embeds.type);
      return session.run({
        [embeds.name]: joined,
        ...(mask === undefined ? {} : { [mask.name]: maskFor(joined, mask) }),
      });
    },
  };
}

function readInputs(
  { inputs, outputs }: Session,
  file: string,
): { readonly embeds: TensorInfo; readonly mask: TensorInfo | undefined } {
  const [embeds, mask] = ['inputs_embeds', 'attention_mask'].map((wanted) =>
    inputs.find(({ name }) => name === wanted),
  );
  const isWhole = inputs.every((input) => input === embeds || input === mask);
  if (embeds !== undefined && isWhole && outputs.some(({ name }) => name === 'last_hidden_state'))
    return { embeds, mask };
  throw new RunnerError(
    'MODEL_INVALID',
    `${file}: expected an encoder with inputs_embeds, attention_mask and last_hidden_state; its inputs are ` +
      `${inputs.map(({ name }) => name).join(', ')}.`,
  );
}

/** Each picture's places with the prompt's behind them: [batch, places + length, width]. */
function join(features: TensorData, prompt: TensorData, type: string): TensorData {
  const [rows = 0, places = 0, width = 0] = features.dims;
  const [, length = 0] = prompt.dims;
  const picture = floatsOf(features);
  const words = floatsOf(prompt);
  const joined = new Float32Array(rows * (places + length) * width);
  for (let row = 0; row < rows; row++) {
    const start = row * (places + length) * width;
    joined.set(picture.subarray(row * places * width, (row + 1) * places * width), start);
    joined.set(words, start + places * width);
  }
  return floatTensor(joined, [rows, places + length, width], type);
}
