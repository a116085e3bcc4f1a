import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner } from '../../dist/index.js';
import type { ClipModel } from '../../src/model.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { openTextTower, type TextTower } from '../../src/tasks/text-tower.js';
import { openTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import type { Session } from '../../src/tensor.js';
import { cosine } from '../support/fixtures.js';
import { writeTextModel, type TextShape } from '../support/text-model.js';

const TEXTS = [
  'a cat on the beach',
  'a photo of two dogs in the snow at night, my bicycle isn’t here, and the train is late again',
  'bridge',
  'a very long story of a lantern by the river. '.repeat(20),
  '一张海边的猫的照片',
];

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-text-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const write = (shape: TextShape): Promise<string> => writeTextModel(path.join(root, String((count += 1))), shape);

interface Watched {
  readonly tower: TextTower;
  /** `[rows, length]` of each run since the tower was opened. */
  readonly runs: (readonly number[])[];
  readonly encode: (text: string) => readonly number[];
}

/** The tower on a real session, with what it feeds noted down. */
async function openTower(shape: TextShape): Promise<Watched> {
  return openTowerIn(await write(shape));
}

async function openTowerIn(folder: string): Promise<Watched> {
  const textFile = path.join(folder, 'onnx', 'text_model.onnx');
  const session = await openOnnxSession(textFile, { device: 'cpu', strictDevice: true, intraOpThreads: 1 });
  const runs: (readonly number[])[] = [];
  const watched: Session = {
    ...session,
    run: (feeds) => {
      runs.push(feeds['input_ids']!.dims);
      return session.run(feeds);
    },
  };
  const tokenizer = await openTokenizer(folder);
  const model = { label: 'x', folder, dtype: 'fp32', textFile } as ClipModel & { textFile: string };
  const tower = await openTextTower(watched, tokenizer, model, 8);
  runs.length = 0;
  return { tower, runs, encode: (text) => tokenizer.encode(text, tower.maxTokens) };
}

function expectEqual(vectors: readonly unknown[], others: readonly unknown[]): void {
  expect(vectors).toHaveLength(others.length);
  vectors.forEach((vector, index) =>
    expect(cosine(vector as Float32Array, others[index] as Float32Array)).toBeGreaterThan(0.999999),
  );
}

describe('a causal tower', () => {
  it('is fed as many ids as the longest text of a run, and texts of like length share one', async () => {
    const { tower, runs, encode } = await openTower({});
    const ids = TEXTS.map(encode);
    const [short, middle, one, long] = ids.map((list) => list.length);
    await tower.embed([ids[0]!, ids[3]!, ids[2]!]);
    expect(long).toBe(77);
    expect(one! < short! && short! < middle!).toBe(true);
    expect(runs).toEqual([
      [1, 77],
      [2, short],
    ]);
  });

  it('gives the vector that it gives with whatever follows the end token', async () => {
    const { tower, encode } = await openTower({});
    for (const text of TEXTS) {
      const ids = encode(text);
      const [alone] = await tower.embed([ids]);
      for (const filler of [0, 5, ids.at(-1)!]) {
        const [padded] = await tower.embed([[...ids, ...Array<number>(30).fill(filler)]]);
        expectEqual([padded], [alone]);
      }
      // The test would miss a tower that pools anywhere: before the end token everything counts.
      const [other] = await tower.embed([[ids[0]!, 300, ...ids.slice(1)]]);
      expect(cosine(other as Float32Array, alone as Float32Array)).toBeLessThan(0.999);
    }
  });
});

describe('a tower that looks at every place', () => {
  it('is found out by trying, and always gets padded texts', async () => {
    const { tower, runs, encode } = await openTower({ kind: 'mean' });
    await tower.embed([encode('bridge'), encode('a cat on the beach')]);
    expect(runs).toEqual([[2, 77]]);
  });

  it('gets texts of like length and a mask where it asks for one', async () => {
    const { tower, runs, encode } = await openTower({ kind: 'masked' });
    const ids = TEXTS.map(encode);
    const together = await tower.embed(ids);
    expect(runs.every(([, length]) => length! <= 77)).toBe(true);
    expect(runs.some(([, length]) => length! < 20)).toBe(true);
    const alone = [];
    for (const list of ids) alone.push(...(await tower.embed([list])));
    expectEqual(together, alone);
  });
});

describe('a graph of fixed axes', () => {
  it.each([
    { batch: 1, length: 77 },
    { batch: 4, length: 77 },
    { batch: 1, length: 's' },
    { batch: 'b', length: 24 },
    { batch: 1, length: 77, type: 'int32' },
  ] as const)('is run as it wants: %j', async (shape) => {
    const free = await openTower({});
    const { tower, runs, encode } = await openTower(shape);
    const short = TEXTS.filter((text) => free.encode(text).length <= 24);
    expectEqual(await tower.embed(short.map(encode)), await free.tower.embed(short.map(free.encode)));
    for (const [rows, length] of runs) {
      if (typeof shape.batch === 'number') expect(rows).toBe(shape.batch);
      if (typeof shape.length === 'number') expect(length).toBe(shape.length);
    }
    expect(encode(TEXTS[3]!)).toHaveLength(typeof shape.length === 'number' ? shape.length : 77);
  });
});

describe('a family of its own', () => {
  it('gives float16 as it gives float32', async () => {
    const [full, half] = [await openTower({}), await openTower({ output: 'float16' })];
    const vectors = await half.tower.embed(TEXTS.map(half.encode));
    const expected = await full.tower.embed(TEXTS.map(full.encode));
    vectors.forEach((vector, index) => {
      expect(Math.hypot(...(vector as Float32Array))).toBeCloseTo(1, 6);
      expect(cosine(vector as Float32Array, expected[index] as Float32Array)).toBeGreaterThan(0.99999);
    });
  });

  it('is fed 64 ids where it is a SigLIP whose files leave its length out', async () => {
    const folder = await write({ kind: 'mean' });
    const config = { model_type: 'siglip', text_config: { model_type: 'siglip_text_model' } };
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
    await writeFile(path.join(folder, 'tokenizer_config.json'), '{"pad_token":"<|endoftext|>"}');
    const { tower, runs, encode } = await openTowerIn(folder);
    await tower.embed([encode('bridge')]);
    expect([tower.maxTokens, runs]).toEqual([64, [[1, 64]]]);
  });

  it('lies as immich has it: one text at a time, 32-bit ids, a fixed length, and texts cleaned as open_clip does', async () => {
    const free = await openTower({});
    const immich = createRunner({
      models: [{ label: 'x', name: await write({ layout: 'immich', batch: 1, length: 24, type: 'int32' }) }],
      tasks: ['clip', 'text'],
      device: 'cpu',
    });
    try {
      await immich.start();
      const vectors = await immich.embedTexts(['A cat, on_the  Beach!', 'bridge']);
      expectEqual(vectors, await free.tower.embed(['a cat on the beach', 'bridge'].map(free.encode)));
    } finally {
      await immich.stop();
    }
  });
});

describe('a model with a text side that can not be used', () => {
  let runner: Runner | undefined;
  afterEach(() => runner?.stop());

  const start = async (shape: TextShape): Promise<void> => {
    runner = createRunner({
      models: [{ label: 'x', name: await write(shape) }],
      tasks: ['clip', 'text'],
      device: 'cpu',
    });
    await runner.start();
  };

  it('is refused where its sides make vectors of different lengths', async () => {
    await expect(start({ dimension: 32 })).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(start({ dimension: 32 })).rejects.toThrow(/64 numbers, texts 32/);
  });

  it("is refused where its tokenizer has ids beyond the graph's table", async () => {
    const folder = await write({});
    const file = path.join(folder, 'tokenizer.json');
    const json = JSON.parse(await readFile(file, 'utf8')) as { model: { vocab: Record<string, number> } };
    for (let id = 997; id <= 2000; id += 1) json.model.vocab[`beyond ${id}`] = id;
    await writeFile(file, JSON.stringify(json));
    const asked = createRunner({ models: [{ label: 'x', name: folder }], tasks: ['text'], device: 'cpu' });
    runner = asked;
    const failure: unknown = await asked.start().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'MODEL_INVALID' });
    expect((failure as Error).message).toMatch(/ids up to 2000, the graph a table of 2000 rows/);
  });

  it.each(['constant', 'spoilt'] as const)('is refused by its self-test: %s', async (kind) => {
    await expect(start({ kind })).rejects.toMatchObject({ code: 'MODEL_SELF_TEST' });
    await expect(start({ kind })).rejects.toThrow(/text_model\.onnx/);
  });
});
