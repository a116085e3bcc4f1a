import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { createRunner, type Runner, RunnerError } from '../../dist/index.js';
import { cosine, IMAGES } from '../support/fixtures.js';

const SIDE = 8;
const VALUES = 3 * SIDE * SIDE;

let root: string;
let runner: Runner | undefined;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-vision-'));
});
afterEach(() => runner?.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

interface Shape {
  /** A number fixes the batch axis. */
  readonly batch?: number | string;
  readonly side?: number;
  readonly type?: 'float32' | 'float16';
  readonly kind?: 'linear' | 'logarithm' | 'constant' | 'mixing';
}

/** A model of a few weights in the layout of immich-app's repositories; the same seed makes the same weights. */
async function makeModel(
  name: string,
  { batch = 'batch', side = SIDE, type = 'float32', kind = 'linear' }: Shape = {},
): Promise<string> {
  const graph = new GraphWriter(7);
  const pixels = type === 'float16' ? graph.node('Cast', ['image'], { to: 1 }) : 'image';
  const flat = graph.node('Reshape', [
    pixels,
    graph.integers([typeof batch === 'number' ? batch : -1, 3 * side * side]),
  ]);
  let embedding = graph.node('MatMul', [flat, graph.weight([3 * side * side, 16], 0.2)]);
  if (kind === 'logarithm') {
    // Minus infinity where every pixel is zero, a number everywhere else.
    const power = graph.node('ReduceMean', [graph.node('Mul', [flat, flat])], { axes: [1], keepdims: 1 });
    embedding = graph.node('Add', [embedding, graph.node('Log', [power])]);
  }
  if (kind === 'constant') {
    embedding = graph.node('Add', [graph.node('Mul', [embedding, graph.scalar(0)]), graph.weight([16], 1)]);
  }
  if (kind === 'mixing') {
    const mean = graph.node('ReduceMean', [embedding], { axes: [0], keepdims: 1 });
    embedding = graph.node('Add', [embedding, mean]);
  }
  const output = type === 'float16' ? graph.node('Cast', [embedding], { to: 10 }) : embedding;
  const folder = path.join(root, name);
  await mkdir(path.join(folder, 'visual'), { recursive: true });
  await writeFile(
    path.join(folder, 'visual', 'model.onnx'),
    graph.finish(
      { image: { dims: [batch, 3, side, side], type } },
      { embedding: { from: output, dims: [batch, 16], type } },
    ),
  );
  const preprocess = {
    size: [SIDE, SIDE],
    mode: 'RGB',
    mean: [0, 0, 0],
    std: [1, 1, 1],
    interpolation: 'bicubic',
    resize_mode: 'squash',
  };
  await writeFile(path.join(folder, 'visual', 'preprocess_cfg.json'), JSON.stringify(preprocess));
  await writeFile(path.join(folder, 'config.json'), JSON.stringify({ embed_dim: 16, vision_cfg: {}, text_cfg: {} }));
  return folder;
}

async function start(name: string): Promise<Runner> {
  runner = createRunner({ models: [{ label: 'x', name }], device: 'cpu' });
  await runner.start();
  return runner;
}

const photos = ['chelsea.jpg', 'rocket.jpg', 'camera.jpg', 'gray.jpg', 'la.png'].map((file) => path.join(IMAGES, file));

describe('vision graphs', () => {
  it('run with a batch that the graph fixes at 1, with the same vectors as with a free one', async () => {
    const free = await (await start(await makeModel('free'))).embedImages(photos);
    await runner?.stop();
    const fixed = await start(await makeModel('fixed', { batch: 1 }));
    const vectors = await fixed.embedImages(photos);
    vectors.forEach((vector, index) => expect(cosine(vector, free[index]!)).toBeGreaterThan(0.999999));
    expect(fixed.stats().models).toMatchObject([{ maxBatch: 1, dimension: 16 }]);
  });

  it('run with a batch fixed at 4: what is missing is filled up and not answered', async () => {
    const free = await (await start(await makeModel('free'))).embedImages(photos);
    await runner?.stop();
    const vectors = await (await start(await makeModel('four', { batch: 4 }))).embedImages(photos);
    expect(vectors).toHaveLength(5);
    vectors.forEach((vector, index) => expect(cosine(vector, free[index]!)).toBeGreaterThan(0.999999));
  });

  it('run with a batch fixed above the largest that was asked for: as full as it, from the first run on', async () => {
    runner = createRunner({
      models: [{ label: 'x', name: await makeModel('twelve', { batch: 12 }) }],
      device: 'cpu',
      maxBatch: 8,
      threads: 1,
    });
    const runs: number[] = [];
    runner.on('stage:measured', ({ stage, count }) => stage === 'run' && runs.push(count));
    await runner.start();
    const vectors = await runner.embedImages(Array.from({ length: 24 }, (_, index) => photos[index % photos.length]!));
    expect(vectors).toHaveLength(24);
    expect(runs).toEqual([12, 12]);
    expect(runner.stats()).toMatchObject({ models: [{ maxBatch: 12 }], batches: { meanItems: 12 } });
  });

  it('may want and give float16', async () => {
    const full = await (await start(await makeModel('free'))).embedImages(photos);
    await runner?.stop();
    const half = await (await start(await makeModel('half', { type: 'float16' }))).embedImages(photos);
    half.forEach((vector, index) => {
      expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
      expect(cosine(vector, full[index]!)).toBeGreaterThan(0.99999);
    });
  });

  it('that answer with infinity for one photo fail that photo alone', async () => {
    const picture = { width: 16, height: 16, channels: 3, background: { r: 0, g: 0, b: 0 } } as const;
    const black = await sharp({ create: picture }).png().toBuffer();
    const model = await start(await makeModel('logarithm', { kind: 'logarithm' }));
    const values = await model.embedImages([photos[0]!, black, photos[1]!], { onError: 'return' });
    expect(values.map((value) => (value instanceof RunnerError ? value.code : value.length))).toEqual([
      16,
      'RUN_BAD_OUTPUT',
      16,
    ]);
  });

  it('in which a picture changes the vectors of its batch are refused', async () => {
    await expect(start(await makeModel('mixing', { kind: 'mixing' }))).rejects.toMatchObject({
      code: 'MODEL_SELF_TEST',
      message: expect.stringContaining('in a batch differs') as string,
    });
  });

  it('that give every picture the same vector are refused', async () => {
    await expect(start(await makeModel('constant', { kind: 'constant' }))).rejects.toMatchObject({
      code: 'MODEL_SELF_TEST',
    });
  });

  it('that want another size than their configuration makes are refused with both sizes', async () => {
    await expect(start(await makeModel('other', { side: 12 }))).rejects.toThrow(/\[3,12,12\].*\[3,8,8\]/);
  });

  it('that are no ONNX file are refused by name', async () => {
    const folder = await makeModel('broken');
    await writeFile(path.join(folder, 'visual', 'model.onnx'), Buffer.alloc(VALUES, 7));
    await expect(start(folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});
