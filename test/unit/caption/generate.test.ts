import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { readDecoderGraph } from '../../../src/tasks/caption/decoder-graph.js';
import { idTensor } from '../../../src/tasks/caption/embedder.js';
import { generate } from '../../../src/tasks/caption/generate.js';
import { dropEntry, dropRow } from '../../../src/tasks/caption/rows.js';
import type { SentenceRules } from '../../../src/model.js';
import type { Session, TensorData } from '../../../src/tensor.js';
import { UNSTOPPED } from '../../support/captioner.js';

const VOCABULARY = 12;
const START = 10;
const END = 2;

/**
 * A decoder that says a given sentence for each picture, the picture's number being its cached key. It keeps what it was
 * asked, and answers as Optimum's merged graphs do: a placeholder for the picture's keys once they are cached.
 */
function scriptedDecoder(sentences: readonly (readonly number[])[], logitsType: 'float32' | 'float16' = 'float32') {
  const asked: { readonly rows: number; readonly ids: readonly number[]; readonly cached: number }[] = [];
  const cache = { type: 'float32', shape: ['batch', 1, 'length', 1] } as const;
  const session: Session = {
    inputs: [
      { name: 'input_ids', type: 'int64', shape: ['batch', 1] },
      { name: 'encoder_hidden_states', type: 'float32', shape: ['batch', 1, 1] },
      { name: 'past_key_values.0.decoder.key', ...cache },
      { name: 'past_key_values.0.encoder.key', ...cache },
      { name: 'use_cache_branch', type: 'bool', shape: [1] },
    ],
    outputs: ['logits', 'present.0.decoder.key', 'present.0.encoder.key'].map((name) => ({
      name,
      type: 'float32',
      shape: [],
    })),
    device: 'cpu',
    run(feeds) {
      const tensor = (name: string): TensorData => {
        const found = feeds[name];
        if (found === undefined) throw new Error(`no ${name}`);
        return found;
      };
      const ids = Array.from(tensor('input_ids').data, Number);
      const isCached = tensor('use_cache_branch').data[0] === 1;
      const past = tensor('past_key_values.0.decoder.key');
      const length = past.dims[2] ?? 0;
      const pictures = Array.from(
        (isCached ? tensor('past_key_values.0.encoder.key') : tensor('encoder_hidden_states')).data,
        Number,
      );
      asked.push({ rows: ids.length, ids, cached: length });
      const logits = new Float32Array(ids.length * VOCABULARY);
      pictures.forEach((picture, row) => {
        // What is cached of this row must be its own: its picture's number, once per step.
        const own = Array.from(past.data.slice(row * length, (row + 1) * length), Number);
        expect(own.every((value) => value === picture)).toBe(true);
        const id = sentences[picture]?.[length];
        if (id === undefined) logits.fill(Number.NaN, row * VOCABULARY, (row + 1) * VOCABULARY);
        else logits[row * VOCABULARY + id] = 1;
      });
      const grown = pictures.flatMap((picture, row) => [
        ...Array.from(past.data.slice(row * length, (row + 1) * length), Number),
        picture,
      ]);
      const shown =
        logitsType === 'float32'
          ? logits
          : Uint16Array.from(logits, (value) => (Number.isNaN(value) ? 0x7e00 : value === 1 ? 0x3c00 : 0));
      return Promise.resolve({
        logits: { type: logitsType, data: shown, dims: [ids.length, 1, VOCABULARY] },
        'present.0.decoder.key': {
          type: 'float32',
          data: Float32Array.from(grown),
          dims: [ids.length, 1, length + 1, 1],
        },
        'present.0.encoder.key': isCached
          ? { type: 'float32', data: new Float32Array(0), dims: [0, 1, 1, 1] }
          : { type: 'float32', data: Float32Array.from(pictures), dims: [ids.length, 1, 1, 1] },
      });
    },
    close: () => Promise.resolve(),
  };
  return { session, asked };
}

function say(
  { session }: { readonly session: Session },
  rows: number,
  maxNewTokens = 8,
  rules: SentenceRules = { noRepeatSize: 0 },
  control = UNSTOPPED,
): ReturnType<typeof generate> {
  const states = { type: 'float32', data: Float32Array.from({ length: rows }, (_, row) => row), dims: [rows, 1, 1] };
  const graph = readDecoderGraph(session, [], 'decoder.onnx');
  const generation = {
    ...{ session, graph, file: 'decoder.onnx', startId: START, endId: END, maxNewTokens, rules },
    feedTokens: (ids: readonly (readonly number[])[]) => Promise.resolve(idTensor(ids, graph.tokens.type)),
    control,
  };
  return generate({ last_hidden_state: states }, rows, generation);
}

describe('generate', () => {
  it('gives every picture its own sentence, whichever ends first', async () => {
    const sentences = [[5, 6, 7, END], [END], [8, END], [4, 4, 4, 4, END], [9, END]];
    const decoder = scriptedDecoder(sentences);
    expect(await say(decoder, 5)).toEqual(sentences);
  });

  it('lets sentences that have ended leave the batch', async () => {
    const decoder = scriptedDecoder([[5, 6, END], [END], [8, END]]);
    await say(decoder, 3);
    expect(decoder.asked.map(({ rows }) => rows)).toEqual([3, 2, 1]);
    expect(decoder.asked.map(({ cached }) => cached)).toEqual([0, 1, 2]);
    expect(decoder.asked[0]?.ids).toEqual([START, START, START]);
  });

  it('stops at the limit', async () => {
    const decoder = scriptedDecoder([
      [5, 6, 7, 8, 9],
      [5, END],
    ]);
    expect(await say(decoder, 2, 3)).toEqual([
      [5, 6, 7],
      [5, END],
    ]);
    expect(decoder.asked).toHaveLength(3);
  });

  it('ends between two steps where it is stopped', async () => {
    const decoder = scriptedDecoder([[5, 6, 7, END]]);
    const throwIfStopped = (): void => {
      if (decoder.asked.length === 2) throw new RunnerError('RUNNER_STOPPED', 'stop');
    };
    const said = say(decoder, 1, 8, { noRepeatSize: 0 }, { throwIfStopped });
    await expect(said).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    expect(decoder.asked).toHaveLength(2);
  });

  it.each(['float32', 'float16'] as const)('fails the picture alone whose logits (%s) are NaN', async (type) => {
    const [first, second, third] = await say(scriptedDecoder([[5, END], [6], [7, 8, END]], type), 3);
    expect(first).toEqual([5, END]);
    expect(second).toBeInstanceOf(RunnerError);
    expect(second).toMatchObject({ code: 'RUN_BAD_OUTPUT' });
    expect(third).toEqual([7, 8, END]);
  });
});

describe('dropRow', () => {
  const tensor = (): TensorData => ({ type: 'float32', data: Float32Array.of(1, 1, 2, 2, 3, 3), dims: [3, 1, 2] });

  it.each([
    [0, [3, 3, 2, 2]],
    [1, [1, 1, 3, 3]],
    [2, [1, 1, 2, 2]],
  ] as const)('takes out row %i, the last one takes its place', (place, left) => {
    const dropped = dropRow(tensor(), place);
    expect(Array.from(dropped.data, Number)).toEqual(left);
    expect(dropped.dims).toEqual([2, 1, 2]);
  });

  it('moves entries of a list in the same way', () => {
    const entries = ['a', 'b', 'c'];
    dropEntry(entries, 0);
    expect(entries).toEqual(['c', 'b']);
    dropEntry(entries, 1);
    dropEntry(entries, 0);
    expect(entries).toEqual([]);
  });
});
