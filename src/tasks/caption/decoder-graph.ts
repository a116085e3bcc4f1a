import { RunnerError } from '../../errors.js';
import type { Session, TensorInfo } from '../../tensor.js';

/** One tensor of the key/value cache: the input that takes it and the output that gives it. */
export interface CacheSlot {
  readonly input: TensorInfo;
  /** Undefined where the decoder only takes it: then the encoder gives it. */
  readonly output: string | undefined;
  /** Keys and values of the picture, which stay as they are; those of the sentence grow with it. */
  readonly isPicture: boolean;
}

/** What a caption decoder with a key/value cache takes and gives. */
export interface DecoderGraph {
  /** The tokens of a step: `input_ids`, or `inputs_embeds` where another graph embeds them. */
  readonly tokens: TensorInfo;
  /** The encoder's states, where the decoder takes them. */
  readonly states: TensorInfo | undefined;
  /** Which places of the states count, where the decoder asks for it. */
  readonly statesMask: TensorInfo | undefined;
  /** Optimum's merged form has a switch between its branches with and without a cache. */
  readonly switchInput: string | undefined;
  readonly slots: readonly CacheSlot[];
  readonly logits: string;
}

const PAST = 'past_key_values.';
const PRESENT = 'present.';

/**
 * Reads a decoder in one of two forms: Optimum's merged one (`use_cache_branch`, `encoder_hidden_states`), or the one of
 * `tools/export`, which takes the picture's keys and values from the encoder's graph and an empty cache at first.
 * @throws RunnerError `MODEL_INVALID`
 */
export function readDecoderGraph(session: Session, pictureOutputs: readonly TensorInfo[], file: string): DecoderGraph {
  const inputOf = (name: string): TensorInfo | undefined => session.inputs.find((input) => input.name === name);
  const outputs = new Set(session.outputs.map(({ name }) => name));
  const tokens = inputOf('input_ids') ?? inputOf('inputs_embeds');
  const past = session.inputs.filter(({ name }) => name.startsWith(PAST));
  if (tokens === undefined || past.length === 0 || !outputs.has('logits')) {
    throw unfit(file, session, 'expected a decoder with input_ids or inputs_embeds, past_key_values.* and logits');
  }
  const slots = past.map((input): CacheSlot => {
    const output = input.name.replace(PAST, PRESENT);
    const isPicture = /\.encoder\.(?:key|value)$/.test(input.name);
    if (outputs.has(output)) return { input, output, isPicture };
    if (isPicture && pictureOutputs.some(({ name }) => name === output)) return { input, output: undefined, isPicture };
    throw unfit(file, session, `expected an output ${output} for the input ${input.name}`);
  });
  return {
    tokens,
    states: inputOf('encoder_hidden_states'),
    statesMask: inputOf('encoder_attention_mask'),
    switchInput: inputOf('use_cache_branch')?.name,
    slots,
    logits: 'logits',
  };
}

/** Lengths of an empty cache tensor: [rows, heads, 0, width of a head]. */
export function emptyDims({ input }: CacheSlot, rows: number, file: string): readonly number[] {
  const [, heads, , width] = input.shape;
  if (typeof heads === 'number' && typeof width === 'number') return [rows, heads, 0, width];
  throw new RunnerError(
    'MODEL_INVALID',
    `${file}: expected ${input.name} to be [batch, heads, length, width] with fixed heads and width, got ` +
      `[${input.shape.join(',')}].`,
  );
}

function unfit(file: string, session: Session, expected: string): RunnerError {
  const found = session.inputs.map(({ name }) => name).join(', ');
  return new RunnerError(
    'MODEL_INVALID',
    `${file}: ${expected}; its inputs are ${found}. tools/export/export_blip.py makes a decoder that fits.`,
  );
}
