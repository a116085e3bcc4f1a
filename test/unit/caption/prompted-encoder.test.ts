import { describe, expect, it } from 'vitest';
import { openEmbedder } from '../../../src/tasks/caption/embedder.js';
import type { PictureEncoder } from '../../../src/tasks/caption/picture-encoder.js';
import { openPromptedEncoder } from '../../../src/tasks/caption/prompted-encoder.js';
import { floatTensor } from '../../../src/tasks/floats.js';
import type { Session, TensorData, TensorInfo } from '../../../src/tensor.js';
import { UNSTOPPED } from '../../support/captioner.js';

type Run = Session['run'];
const graph = (inputs: readonly TensorInfo[], outputs: readonly string[], run: Run): Session => ({
  inputs,
  outputs: outputs.map((name) => ({ name, type: 'float32', shape: [] })),
  device: 'cpu',
  run,
  close: () => Promise.resolve(),
});

const WIDTH = 2;
/** A table in which the id n is [n, -n]. */
const table = (inputType = 'int64'): Session =>
  graph([{ name: 'input_ids', type: inputType, shape: ['batch', 'length'] }], ['inputs_embeds'], (feeds) => {
    const { data, dims } = feeds['input_ids'] as TensorData;
    const values = Array.from(data, Number).flatMap((id) => [id, -id]);
    return Promise.resolve({ inputs_embeds: floatTensor(Float32Array.from(values), [...dims, WIDTH], 'float32') });
  });

/** Pictures of two places, each of which is the picture's first number. */
function pictures(type: string, width = WIDTH): PictureEncoder {
  return {
    outputs: [{ name: 'image_features', type, shape: [] }],
    device: 'cpu',
    encode(photos) {
      const values = photos.flatMap(([first = 0]) => Array.from({ length: 2 * width }, () => first));
      const features = floatTensor(Float32Array.from(values), [photos.length, 2, width], type);
      return Promise.resolve({ image_features: features });
    },
  };
}

function reader(type: string, names: readonly string[] = ['attention_mask', 'inputs_embeds']) {
  const asked: Readonly<Record<string, TensorData>>[] = [];
  const inputs = names.map((name) => ({ name, type: name === 'attention_mask' ? 'int64' : type, shape: [] }));
  const session = graph(inputs, ['last_hidden_state'], (feeds) => {
    asked.push(feeds);
    return Promise.resolve({ last_hidden_state: feeds['inputs_embeds'] as TensorData });
  });
  return { session, asked };
}

const promptIds = [7, 8, 9];
const open = (session: Session, encoder = pictures('float32')): ReturnType<typeof openPromptedEncoder> =>
  openPromptedEncoder({
    pictures: encoder,
    session,
    embed: openEmbedder(table(), 'table.onnx'),
    promptIds,
    file: 'reader.onnx',
  });

describe('openPromptedEncoder', () => {
  it.each([
    ['float32', 'float32'],
    ['float16', 'float32'],
    ['float32', 'float16'],
  ])('puts the prompt behind each picture, of %s, as the next graph wants it, %s', async (from, to) => {
    const { session, asked } = reader(to);
    const encoder = await open(session, pictures(from));
    await encoder.encode([Uint8Array.of(1), Uint8Array.of(2)], UNSTOPPED);
    const prompt = [7, -7, 8, -8, 9, -9];
    const joined = Float32Array.of(1, 1, 1, 1, ...prompt, 2, 2, 2, 2, ...prompt);
    expect(asked[0]?.['inputs_embeds']).toEqual(floatTensor(joined, [2, 5, WIDTH], to));
    expect(asked[0]?.['attention_mask']).toEqual({ type: 'int64', data: new BigInt64Array(10).fill(1n), dims: [2, 5] });
  });

  it('gives no mask to a graph that takes none', async () => {
    const { session, asked } = reader('float32', ['inputs_embeds']);
    await (await open(session)).encode([Uint8Array.of(1)], UNSTOPPED);
    expect(Object.keys(asked[0] ?? {})).toEqual(['inputs_embeds']);
  });

  it('refuses graphs that are others, or do not belong together', async () => {
    await expect(open(reader('float32', ['inputs_embeds', 'position_ids']).session)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('reader.onnx: expected an encoder with inputs_embeds') as string,
    });
    const encoder = await open(reader('float32').session, pictures('float32', 3));
    await expect(encoder.encode([Uint8Array.of(1)], UNSTOPPED)).rejects.toMatchObject({
      code: 'RUN_FAILED',
      message: expect.stringContaining("[batch, places, 2] for the prompt's embeddings, got [1,2,3]") as string,
    });
    expect(() => openEmbedder(table('float32'), 'table.onnx')).toThrow('table.onnx: expected one input');
  });
});
