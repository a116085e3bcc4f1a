import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GraphWriter } from '../../bench/support/onnx-writer.js';
import { encoderLayers } from '../../bench/support/vit.js';
import { createRunner, type Runner } from '../../dist/index.js';
import { preparedFolder } from '../../src/models/cache.js';
import { readOnnxGraph } from '../../src/models/onnx-graph.js';
import { areWeightsAligned } from '../../src/models/packed-weights.js';
import { preparedGraph, sweepPrepared } from '../../src/pool/prepared-graph.js';
import { openOnnxSession, saveOptimizedGraph } from '../../src/pool/session.js';
import { newOwner } from '../../src/partial-owner.js';
import { IMAGES } from '../support/fixtures.js';

const SIDE = 56;
const VALUES = 3 * SIDE * SIDE;
const DIMENSION = 512;
const CPU = { device: 'cpu', strictDevice: false, intraOpThreads: 1 } as const;

let root: string;
let model: string;
let cacheDir: string;
let folder: string;
let runner: Runner | undefined;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-prepared-'));
  model = path.join(root, 'model');
  await mkdir(path.join(model, 'visual'), { recursive: true });
  await writeFile(path.join(model, 'visual', 'model.onnx'), makeGraph(7));
  const preprocess = {
    size: [SIDE, SIDE],
    mode: 'RGB',
    mean: [0, 0, 0],
    std: [1, 1, 1],
    interpolation: 'bicubic',
    resize_mode: 'squash',
  };
  await writeFile(path.join(model, 'visual', 'preprocess_cfg.json'), JSON.stringify(preprocess));
  await writeFile(
    path.join(model, 'config.json'),
    JSON.stringify({ embed_dim: DIMENSION, vision_cfg: {}, text_cfg: {} }),
  );
});
beforeEach(async () => {
  cacheDir = await mkdtemp(path.join(root, 'cache-'));
  folder = preparedFolder(cacheDir);
});
afterEach(() => runner?.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

/** 18 MiB of weights: enough to gain from being prepared. */
function makeGraph(seed: number): Uint8Array {
  const graph = new GraphWriter(seed);
  const flat = graph.node('Reshape', ['image', graph.integers([-1, VALUES])]);
  const embedding = graph.node('MatMul', [flat, graph.weight([VALUES, DIMENSION], 0.2)]);
  return graph.finish(
    { image: { dims: ['batch', 3, SIDE, SIDE], type: 'float32' } },
    { embedding: { from: embedding, dims: ['batch', DIMENSION], type: 'float32' } },
  );
}

async function newGraph(name: string, seed = 7): Promise<string> {
  const file = path.join(root, `${name}.onnx`);
  await writeFile(file, makeGraph(seed));
  return file;
}

async function answer(file: string, findPrepared?: () => Promise<string | undefined>): Promise<Float32Array> {
  const session = await openOnnxSession(file, CPU, findPrepared);
  try {
    const data = Float32Array.from({ length: 3 * VALUES }, (_, index) => Math.sin(index));
    const { embedding } = await session.run({ image: { type: 'float32', data, dims: [3, 3, SIDE, SIDE] } });
    return embedding?.data as Float32Array;
  } finally {
    await session.close();
  }
}

/** What the process warned of meanwhile. */
async function warningsOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  const warnings: string[] = [];
  const hear = (warning: Error): number => warnings.push(warning.message);
  process.on('warning', hear);
  await work();
  await new Promise(setImmediate);
  process.off('warning', hear);
  return warnings;
}

describe('a prepared graph', () => {
  it('answers the same bits as the file that it was made of', async () => {
    const file = await newGraph('same');
    const prepared = await preparedGraph({ file, weights: [], folder });
    expect(prepared).toMatch(/prepared[/\\][0-9a-f]{32}[/\\]model\.onnx$/);
    const plain = await answer(file);
    expect(plain).toHaveLength(3 * DIMENSION);
    expect(await answer(file, () => Promise.resolve(prepared))).toEqual(plain);
    // The graph itself holds no weights any more.
    expect(statSync(prepared!).size).toBeLessThan(100_000);
  });

  it('makes no vectors that nobody reads', async () => {
    const width = 512;
    const graph = new GraphWriter(3);
    const patches = graph.node('Reshape', ['image', graph.integers([0, 21, 448])]);
    const embedded = graph.node('MatMul', [patches, graph.weight([448, width], 0.05)]);
    const hidden = encoderLayers(graph, embedded, { width, layers: 2, heads: 8 });
    const first = graph.node('Gather', [hidden, graph.node('Squeeze', [graph.integers([0])])], { axis: 1 });
    const embedding = { from: first, dims: ['batch', width] };
    const file = path.join(root, 'encoder.onnx');
    await writeFile(file, graph.finish({ image: { dims: ['batch', 3, SIDE, SIDE] } }, { embedding }));
    const prepared = await preparedGraph({ file, weights: [], folder });
    const { nodes } = readOnnxGraph(prepared!);
    expect(nodes.filter(({ outputs }) => outputs[0]?.endsWith('/chosen'))).toHaveLength(2);
    const plain = await answer(file);
    const found = await answer(file, () => Promise.resolve(prepared));
    expect(found).toHaveLength(3 * width);
    expect(Math.max(...found.map((number, i) => Math.abs(number - (plain[i] ?? NaN))))).toBeLessThan(1e-5);
  });

  it('has its weights where the kernels can read them, whatever their sizes', async () => {
    const graph = new GraphWriter(4);
    const flat = graph.node('Reshape', ['image', graph.integers([-1, VALUES])]);
    const wide = graph.node('MatMul', [flat, graph.weight([VALUES, 475], 0.02)]);
    // A size that is no multiple of 64 bytes: what is written behind it lies between two of those.
    const narrow = graph.node('MatMul', [wide, graph.weight([475, 101], 0.02)]);
    const embedding = graph.node('MatMul', [narrow, graph.weight([101, DIMENSION], 0.02)]);
    const file = path.join(root, 'odd.onnx');
    const outputs = { embedding: { from: embedding, dims: ['batch', DIMENSION] } };
    await writeFile(file, graph.finish({ image: { dims: ['batch', 3, SIDE, SIDE] } }, outputs));
    // The runtime itself would have them anywhere.
    const saved = path.join(root, 'odd-saved.onnx');
    await saveOptimizedGraph(file, saved, 'odd-weights.bin');
    expect(areWeightsAligned(saved)).toBe(false);
    const prepared = await preparedGraph({ file, weights: [], folder });
    expect(areWeightsAligned(prepared ?? '')).toBe(true);
    expect(await answer(file, () => Promise.resolve(prepared))).toEqual(await answer(file));
  });

  it('takes no heap for its weights', async () => {
    const file = await newGraph('mapped');
    const prepared = await preparedGraph({ file, weights: [], folder });
    const session = await openOnnxSession(file, CPU, () => Promise.resolve(prepared));
    const maps = readFileSync('/proc/self/maps', 'utf8');
    expect(maps).toContain(path.join(path.dirname(prepared!), 'weights.bin'));
    await session.close();
  });

  it('is made once, however many ask for it at once', async () => {
    const file = await newGraph('once');
    const request = { file, weights: [], folder };
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => preparedGraph(request)));
    expect(new Set(others)).toEqual(new Set([first]));
    const { ino } = statSync(first!);
    expect(await preparedGraph(request)).toBe(first);
    expect(statSync(first!).ino).toBe(ino);
    expect(readdirSync(folder)).toEqual([path.basename(path.dirname(first!))]);
  });

  it('is not made of little weight', async () => {
    const file = path.join(root, 'little.onnx');
    const graph = new GraphWriter(7);
    const sum = graph.node('Add', ['image', graph.scalar(1)]);
    const image = { dims: ['batch'], type: 'float32' as const };
    await writeFile(file, graph.finish({ image }, { embedding: { from: sum, ...image } }));
    expect(await preparedGraph({ file, weights: [], folder })).toBeUndefined();
    expect(existsSync(folder)).toBe(false);
  });

  it('counts weights that lie beside the graph, and notices when they change', async () => {
    const file = await newGraph('beside');
    const weights = path.join(root, 'beside.data');
    await writeFile(weights, Buffer.alloc(64));
    const request = { file, weights: ['beside.data'], folder };
    const before = await preparedGraph(request);
    await writeFile(weights, Buffer.alloc(128));
    const after = await preparedGraph(request);
    expect(after).not.toBe(before);
    // Making the second swept the first away.
    expect(readdirSync(folder)).toEqual([path.basename(path.dirname(after!))]);
  });

  it('is made anew when its files are not whole', async () => {
    const file = await newGraph('damaged');
    const request = { file, weights: [], folder };
    const prepared = await preparedGraph(request);
    await truncate(path.join(path.dirname(prepared!), 'weights.bin'), 4096);
    expect(await preparedGraph(request)).toBe(prepared);
    expect(await answer(file, () => Promise.resolve(prepared))).toEqual(await answer(file));
  });

  it('is passed over and removed when the runtime does not take it', async () => {
    const file = await newGraph('garbage');
    const prepared = await preparedGraph({ file, weights: [], folder });
    await writeFile(prepared!, Buffer.alloc(statSync(prepared!).size, 7));
    expect(await answer(file, () => Promise.resolve(prepared))).toEqual(await answer(file));
    expect(await readdir(folder)).toEqual([]);
  });

  it('is passed over with a warning where the cache cannot be written to', async () => {
    const file = await newGraph('no-cache');
    const blocked = path.join(root, 'blocked');
    await writeFile(blocked, 'a file');
    let prepared: string | undefined = 'none';
    const warnings = await warningsOf(async () => {
      prepared = await preparedGraph({ file, weights: [], folder: path.join(blocked, 'prepared') });
    });
    expect(prepared).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('CLIP_PREPARE_MODELS=0')]);
  });

  it('is passed over with the reason where the graph is none, and nothing is left', async () => {
    const file = path.join(root, 'none.onnx');
    await writeFile(file, Buffer.alloc(17 * 1024 ** 2, 7));
    const warnings = await warningsOf(() => preparedGraph({ file, weights: [], folder }));
    expect(warnings).toEqual([
      expect.stringMatching(/none\.onnx could not be made ready.*: .*is not a whole ONNX file/),
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is made though a process that was making it has been killed', async () => {
    const file = await newGraph('killed');
    const request = { file, weights: [], folder };
    const prepared = await preparedGraph(request);
    const target = path.dirname(prepared!);
    await rm(target, { recursive: true });
    // No process has this number.
    const gone = newOwner().replace(/-\d+-/, '-4194303-');
    await writeFile(`${target}.lock`, gone);
    await mkdir(`${target}.${gone}.partial`);
    expect(await preparedGraph(request)).toBe(prepared);
    expect(readdirSync(folder)).toEqual([path.basename(target)]);
  });

  it('is swept away when nobody has opened it for long, or its model is gone', async () => {
    const [kept, old, gone] = await Promise.all(['kept', 'old', 'gone'].map((name) => newGraph(name)));
    const prepare = (file?: string): Promise<string | undefined> => preparedGraph({ file: file!, weights: [], folder });
    const targets = [await prepare(kept), await prepare(old), await prepare(gone)].map((file) => path.dirname(file!));
    const longAgo = new Date(Date.now() - 31 * 24 * 3_600_000);
    await utimes(path.join(targets[1]!, 'prepared.json'), longAgo, longAgo);
    await rm(gone!);
    await sweepPrepared(folder);
    expect(readdirSync(folder)).toEqual([path.basename(targets[0]!)]);
  });
});

describe('createRunner()', () => {
  const embed = async (prepareModels: boolean, isolation: 'thread' | 'process'): Promise<unknown> => {
    runner = createRunner({
      models: [{ label: 'large', name: model }],
      ...{ tasks: ['clip'], device: 'cpu', prepareModels, isolation, threads: 2, roots: [IMAGES] },
      hub: { cacheDir },
    });
    await runner.start();
    const vectors = await runner.embedImages([path.join(IMAGES, 'chelsea.jpg')]);
    await runner.stop();
    return vectors;
  };

  it.each(['thread', 'process'] as const)('embeds the same with a prepared model (%s)', async (isolation) => {
    const plain = await embed(false, isolation);
    expect(existsSync(folder)).toBe(false);
    expect(await embed(true, isolation)).toEqual(plain);
    const names = readdirSync(folder);
    expect(names).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    const { ino } = await stat(path.join(folder, names[0]!));
    expect(await embed(true, isolation)).toEqual(plain);
    expect((await stat(path.join(folder, names[0]!))).ino).toBe(ino);
  });
});
