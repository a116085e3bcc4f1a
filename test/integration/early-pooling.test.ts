import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { encoderLayers, layerNorm } from '../../bench/support/vit.js';
import { poolEarly } from '../../src/models/early-pooling.js';
import { readOnnxGraph, type OnnxGraph } from '../../src/models/onnx-graph.js';
import { openOnnxSession, saveOptimizedGraph } from '../../src/pool/session.js';
import type { TensorData } from '../../src/tensor.js';
import { value } from '../support/joint-model.js';
import { message } from '../support/onnx-bytes.js';

const CPU = { device: 'cpu', strictDevice: false, intraOpThreads: 1 } as const;
const [SEQUENCE, WIDTH, DIMENSION] = [5, 16, 8];
const SIZE = { width: WIDTH, layers: 2, heads: 2 };
/** Products with weights in one block behind its attention, and the projection of what was chosen. */
const PRODUCTS_BEHIND = 3;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-pooling-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Made {
  /** As the runtime has optimised it, and with the choice made early; undefined where nothing was changed. */
  readonly plain: string;
  readonly early: string | undefined;
}

let count = 0;

/** An encoder of two blocks over `tokens`, [batch, 5, 16], and what `end` makes of it. */
async function make(end: (graph: GraphWriter, hidden: string) => Readonly<Record<string, string>>): Promise<Made> {
  const graph = new GraphWriter(11);
  const hidden = encoderLayers(graph, 'tokens', SIZE);
  const outputs = Object.entries(end(graph, hidden)).map(([name, from]) => [name, { from, dims: ['batch', 'any'] }]);
  const bytes = graph.finish(
    { tokens: { dims: ['batch', SEQUENCE, WIDTH] }, places: { dims: ['batch'], type: 'int64' } },
    Object.fromEntries(outputs) as Parameters<GraphWriter['finish']>[1],
  );
  count += 1;
  const folder = await mkdtemp(path.join(root, `${count}-`));
  const [file, plain, early] = ['model', 'plain', 'early'].map((name) => path.join(folder, `${name}.onnx`)) as [
    string,
    string,
    string,
  ];
  await writeFile(file, bytes);
  await saveOptimizedGraph(file, plain, 'weights.bin');
  const changed = poolEarly(plain);
  if (changed === undefined) return { plain, early: undefined };
  await writeFile(early, changed);
  return { plain, early };
}

/** What a graph makes of sequences of which each vector is another, and of a place in each. */
async function answer(file: string, batch: number): Promise<Record<string, TensorData>> {
  const session = await openOnnxSession(file, CPU);
  try {
    const tokens = Float32Array.from({ length: batch * SEQUENCE * WIDTH }, (_, i) => Math.sin(i * 1.7 + 0.3));
    const places = BigInt64Array.from({ length: batch }, (_, i) => BigInt((i * 3 + 2) % SEQUENCE));
    const feeds: Record<string, TensorData> = {
      tokens: { type: 'float32', data: tokens, dims: [batch, SEQUENCE, WIDTH] },
      places: { type: 'int64', data: places, dims: [batch] },
    };
    return await session.run(Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name]!])));
  } finally {
    await session.close();
  }
}

/** Processors round products of few rows and of many alike; this allows for one that doesn't. */
function expectSame(found: Record<string, TensorData>, wanted: Record<string, TensorData>): void {
  expect(Object.keys(found)).toEqual(Object.keys(wanted));
  for (const [name, { data, dims }] of Object.entries(wanted)) {
    expect(found[name]?.dims).toEqual(dims);
    const differences = [...(data as Float32Array)].map((number, i) => Math.abs(number - Number(found[name]?.data[i])));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  }
}

const project = (graph: GraphWriter, chosen: string): string =>
  graph.node('MatMul', [layerNorm(graph, chosen, WIDTH), graph.weight([WIDTH, DIMENSION], 0.3)]);

const scalar = (graph: GraphWriter, value: number): string => graph.node('Squeeze', [graph.integers([value])]);

/** The vector at `places` of each sequence, as exporters write `hidden[arange(batch), places]`. */
function atPlaces(graph: GraphWriter, hidden: string): string {
  const batch = graph.node('Squeeze', [graph.node('Shape', ['places'])]);
  const rows = graph.node('Range', [scalar(graph, 0), batch, scalar(graph, 1)]);
  const columns = ['places', rows].map((name) => graph.node('Unsqueeze', [name, graph.integers([-1])]));
  return graph.node('GatherND', [hidden, graph.node('Concat', columns.reverse(), { axis: -1 })]);
}

const CHOICES: Readonly<Record<string, (graph: GraphWriter, hidden: string) => string>> = {
  'the first of all, by Gather': (graph, hidden) => graph.node('Gather', [hidden, scalar(graph, 0)], { axis: 1 }),
  'the last of all, by Gather': (graph, hidden) => graph.node('Gather', [hidden, scalar(graph, -1)], { axis: 1 }),
  'each at its place, by GatherND': atPlaces,
};

/** Products with weights that get chosen vectors only: their readers lie behind a choice. */
function productsBehindChoice({ nodes, weights }: OnnxGraph): number {
  const behind = new Set<string>();
  const constants = new Set(weights.map(({ name }) => name));
  let products = 0;
  for (const { type, inputs, outputs } of nodes) {
    const isChoice = ['Gather', 'GatherND'].includes(type) && outputs[0]?.endsWith('/chosen') === true;
    if (!isChoice && !inputs.some((name) => behind.has(name))) continue;
    for (const name of outputs) behind.add(name);
    if (type === 'MatMul' && constants.has(inputs[1] ?? '')) products += 1;
  }
  return products;
}

describe('poolEarly', () => {
  for (const [what, choose] of Object.entries(CHOICES)) {
    it(`makes one vector of the last block instead of all: ${what}`, async () => {
      const { plain, early } = await make((graph, hidden) => ({ embedding: project(graph, choose(graph, hidden)) }));
      for (const batch of [1, 2, 7]) {
        const { embedding } = (await answer(early!, batch)) as { embedding?: TensorData };
        expect(embedding?.dims).toEqual([batch, DIMENSION]);
        expectSame({ embedding: embedding! }, await answer(plain, batch));
      }
      // And the projection, which was behind it already.
      expect(productsBehindChoice(readOnnxGraph(early!))).toBe(PRODUCTS_BEHIND + 1);
    });
  }

  it('makes the choice where a norm of all vectors comes before it', async () => {
    const { plain, early } = await make((graph, hidden) => ({
      embedding: project(graph, atPlaces(graph, layerNorm(graph, hidden, WIDTH))),
    }));
    expectSame(await answer(early!, 3), await answer(plain, 3));
    expect(productsBehindChoice(readOnnxGraph(early!))).toBe(PRODUCTS_BEHIND + 1);
  });

  it('gives the choice itself where it is the output', async () => {
    const { plain, early } = await make((graph, hidden) => ({ embedding: atPlaces(graph, hidden) }));
    expectSame(await answer(early!, 3), await answer(plain, 3));
  });

  it('leaves a graph alone that gives all vectors besides', async () => {
    const { early } = await make((graph, hidden) => ({
      embedding: project(graph, atPlaces(graph, hidden)),
      last_hidden_state: hidden,
    }));
    expect(early).toBeUndefined();
  });

  it('leaves a graph alone in which others read all vectors', async () => {
    const { early } = await make((graph, hidden) => ({
      embedding: graph.node('Add', [
        atPlaces(graph, hidden),
        graph.node('ReduceMax', [hidden], { axes: [1], keepdims: 0 }),
      ]),
    }));
    expect(early).toBeUndefined();
  });

  it('passes nothing that mixes vectors, or that treats them differently', async () => {
    const mixed = await make((graph, hidden) => ({
      embedding: atPlaces(graph, graph.node('MatMul', [graph.weight([SEQUENCE, SEQUENCE], 0.3), hidden])),
    }));
    expect(mixed.early).toBeUndefined();
    const placed = await make((graph, hidden) => ({
      embedding: atPlaces(graph, graph.node('Add', [hidden, graph.weight([SEQUENCE, WIDTH], 0.3)])),
    }));
    expect(placed.early).toBeUndefined();
    const scored = await make((graph, hidden) => ({
      embedding: atPlaces(graph, graph.node('Softmax', [hidden], { axis: 1 })),
    }));
    expect(scored.early).toBeUndefined();
  });

  it('leaves a choice alone that is one of numbers of a single vector', async () => {
    const { early } = await make((graph, hidden) => {
      const pooled = graph.node('ReduceMax', [hidden], { axes: [1], keepdims: 0 });
      const scores = graph.node('MatMul', [pooled, graph.weight([WIDTH, DIMENSION], 0.3)]);
      return { embedding: graph.node('Gather', [scores, scalar(graph, 0)], { axis: 1 }) };
    });
    expect(early).toBeUndefined();
  });

  it('leaves a choice alone that is one of numbers, or of sequences', async () => {
    for (const axis of [0, 2]) {
      const { early } = await make((graph, hidden) => ({
        embedding: graph.node('Gather', [hidden, scalar(graph, 0)], { axis }),
      }));
      expect(early).toBeUndefined();
    }
  });

  it('drops what the file says of the shapes that have changed', async () => {
    const { plain } = await make((graph, hidden) => ({ embedding: project(graph, atPlaces(graph, hidden)) }));
    const products = readOnnxGraph(plain).nodes.filter(({ type }) => type === 'MatMul');
    const notes = products.slice(-4, -1).map(({ outputs }, index) => {
      const width = index === 1 ? WIDTH * 4 : WIDTH;
      return [13, value(outputs[0] ?? '', 1, [2, SEQUENCE, width])] as const;
    });
    const noted = path.join(path.dirname(plain), 'noted.onnx');
    // A second part of the same message adds to the first.
    await writeFile(noted, Buffer.concat([readFileSync(plain), message([7, message(...notes)])]));
    const early = path.join(path.dirname(plain), 'early.onnx');
    await writeFile(early, poolEarly(noted)!);
    expectSame(await answer(early, 2), await answer(plain, 2));
    expect(readOnnxGraph(early).notes).toEqual([]);
  });
});
