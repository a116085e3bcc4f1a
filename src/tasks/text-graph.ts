import { RunnerError } from '../errors.js';
import type { Session, TensorInfo } from '../tensor.js';

/** What a text graph wants and gives, as it says itself. */
export interface TextGraph {
  readonly ids: TensorInfo;
  /** 1 for a token, 0 for padding. */
  readonly mask: TensorInfo | undefined;
  /** Segments of BERT: zeros. */
  readonly types: TensorInfo | undefined;
  /** 0, 1, 2, … */
  readonly positions: TensorInfo | undefined;
  /** Name of the output with the projected embedding. */
  readonly output: string;
  readonly fixedBatch: number | undefined;
  readonly fixedLength: number | undefined;
}

/** Names of the output that holds the projected embedding, in the order of preference; exporters differ. */
const EMBEDDING_OUTPUTS = ['text_embeds', 'text_features', 'embedding', 'embeddings', 'pooler_output', 'output'];

/** @throws RunnerError `MODEL_INVALID` with what was expected and what was found. */
export function readTextGraph({ inputs, outputs }: Pick<Session, 'inputs' | 'outputs'>, file: string): TextGraph {
  const named = (name: string): TensorInfo | undefined => inputs.find((input) => input.name === name);
  const mask = named('attention_mask');
  const types = named('token_type_ids');
  const positions = named('position_ids');
  const [ids, ...others] = inputs.filter((input) => ![mask, types, positions].includes(input));
  const isText = (input: TensorInfo): boolean =>
    input.shape.length === 2 && (input.type === 'int64' || input.type === 'int32');
  if (ids === undefined || others.length > 0 || !inputs.every(isText)) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${file}: expected a text graph with ids of two axes (batch, sequence) in int64 or int32, and besides them only ` +
        `attention_mask, token_type_ids or position_ids, got ${describe(inputs)}.`,
    );
  }
  const flat = outputs.filter(({ shape }) => shape.length === 2);
  const output =
    EMBEDDING_OUTPUTS.find((name) => flat.some((candidate) => candidate.name === name)) ??
    (flat.length === 1 ? flat[0]?.name : undefined);
  if (output === undefined) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${file}: expected an output [batch, dimension] with the embedding, got ${describe(outputs)}.`,
    );
  }
  return { ids, mask, types, positions, output, fixedBatch: fixed(ids.shape[0]), fixedLength: fixed(ids.shape[1]) };
}

function fixed(axis: number | string | undefined): number | undefined {
  return typeof axis === 'number' && axis > 0 ? axis : undefined;
}

function describe(tensors: readonly TensorInfo[]): string {
  return tensors.map(({ name, type, shape }) => `${name} ${type}[${shape.join(',')}]`).join(', ');
}
