import { describe, expect, it } from 'vitest';
import { readTextGraph } from '../../../src/tasks/text-graph.js';
import type { TensorInfo } from '../../../src/tensor.js';

const tensor = (name: string, shape: TensorInfo['shape'], type = 'int64'): TensorInfo => ({ name, type, shape });
const embeds = tensor('text_embeds', ['b', 64], 'float32');
const read = (
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[] = [embeds],
): ReturnType<typeof readTextGraph> => readTextGraph({ inputs, outputs }, 'text_model.onnx');

describe('readTextGraph', () => {
  it('finds ids under any name, and free and fixed axes', () => {
    expect(read([tensor('input_ids', ['b', 's'])])).toMatchObject({ fixedBatch: undefined, fixedLength: undefined });
    expect(read([tensor('text', [1, 77], 'int32')])).toMatchObject({
      ids: { name: 'text' },
      fixedBatch: 1,
      fixedLength: 77,
    });
    expect(read([tensor('input_ids', [-1, -1])])).toMatchObject({ fixedBatch: undefined, fixedLength: undefined });
  });

  it('knows the inputs beside the ids by their names', () => {
    const beside = ['attention_mask', 'token_type_ids', 'position_ids'].map((name) => tensor(name, ['b', 's']));
    expect(read([...beside, tensor('input_ids', ['b', 's'])])).toMatchObject({
      ids: { name: 'input_ids' },
      mask: { name: 'attention_mask' },
      types: { name: 'token_type_ids' },
      positions: { name: 'position_ids' },
    });
  });

  it('prefers the projected embedding to the pooled state, and takes a single output of two axes whatever its name', () => {
    const pooled = tensor('pooler_output', ['b', 48], 'float32');
    const states = tensor('last_hidden_state', ['b', 's', 48], 'float32');
    const ids = [tensor('input_ids', ['b', 's'])];
    expect(read(ids, [states, pooled, embeds]).output).toBe('text_embeds');
    expect(read(ids, [states, pooled]).output).toBe('pooler_output');
    expect(read(ids, [states, tensor('1234', ['b', 48], 'float32')]).output).toBe('1234');
  });

  it.each([
    [
      'both towers in one graph',
      [tensor('input_ids', ['b', 's']), tensor('pixel_values', ['b', 3, 224, 224], 'float32')],
      [embeds],
    ],
    ['no ids', [tensor('attention_mask', ['b', 's'])], [embeds]],
    ['ids of floats', [tensor('input_ids', ['b', 's'], 'float32')], [embeds]],
    ['no embedding', [tensor('input_ids', ['b', 's'])], [tensor('last_hidden_state', ['b', 's', 48], 'float32')]],
  ])('refuses a graph with %s, and says what it has', (_, inputs, outputs) => {
    expect(() => read(inputs, outputs)).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }) as Error);
    expect(() => read(inputs, outputs)).toThrow(/text_model\.onnx: expected .* got /);
  });
});
