import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PrecisionRow } from '../../src/cli/models/compare/compare-side.js';
import { CommandProcess } from '../support/command.js';
import { IMAGES, SIGLIP } from '../support/fixtures.js';
import { writeJointModel } from '../support/joint-model.js';
import { MARKER } from '../support/marked-picture.js';
import { putCommit } from '../support/model-cache.js';
import type { Ending } from '../support/program.js';
import { halved, quantised, unknownOperator } from '../support/small-precisions.js';
import { readTinyModel } from '../support/tiny-model.js';

/** Each loads several models, one after the other, on a machine that may be busy. */
const COMPARE_MS = 120_000;
const REPOSITORY = 'Xenova/siglip-tiny';
const COMMIT = 'c'.repeat(40);

interface Compared {
  readonly models: readonly {
    readonly isGood: boolean;
    readonly findings: readonly { readonly code: string; readonly message: string }[];
    readonly notes: readonly string[];
    readonly rows: readonly PrecisionRow[];
  }[];
}

let home: string;
const started: CommandProcess[] = [];
beforeEach(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'models-compare-')));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await rm(home, { recursive: true, force: true });
});

async function verify(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ending> {
  const settings = { HF_HOME: home, HF_ENDPOINT: 'http://127.0.0.1:9', CLIP_DEVICE: 'cpu' };
  const command = new CommandProcess(
    ['models', 'verify', ...args],
    { ...settings, PROCESSING_EMBEDDING_DIM: '0', FACE_ENABLED: '0', ...env },
    home,
  );
  started.push(command);
  await new Promise((resolve) => command.child.once('close', resolve));
  return { ended: await command.ended(), stdout: command.stdout, stderr: command.stderr };
}

async function compare(...args: readonly string[]): Promise<{ ended: number | string; model: Compared['models'][0] }> {
  const { ended, stdout, stderr } = await verify([...args, '--compare', '--json']);
  expect(stderr).toBe('');
  return { ended, model: (JSON.parse(stdout) as Compared).models[0]! };
}

/** The tiny SigLIP with further graphs. */
function folderWith(graphs: Readonly<Record<string, Buffer>>): string {
  const folder = path.join(home, 'model');
  cpSync(SIGLIP, folder, { recursive: true });
  for (const [name, bytes] of Object.entries(graphs)) writeFileSync(path.join(folder, 'onnx', name), bytes);
  return folder;
}

const VISION = path.join(SIGLIP, 'onnx/vision_model.onnx');
const TEXT = path.join(SIGLIP, 'onnx/text_model.onnx');
const rowOf = ({ rows }: Compared['models'][0], dtype: string, side: string): PrecisionRow =>
  rows.find((row) => row.dtype === dtype && row.side === side)!;

describe('clip-runner models verify --compare', () => {
  it(
    'tells of each precision what was quantised, how near it is, how fast, how large, and what it is fit for',
    async () => {
      const folder = folderWith({
        'vision_model_quantized.onnx': quantised(VISION),
        'text_model_quantized.onnx': quantised(TEXT),
        'vision_model_fp16.onnx': halved(VISION),
      });
      const { ended, stdout, stderr } = await verify([folder, '--compare']);
      expect(stdout).not.toContain('wrong');
      expect(ended).toBe(0);
      expect(stderr).toContain('pictures: comparing q8 with fp32 …');
      expect(stdout).toContain('24 made pictures');
      expect(stdout).toContain('24 sentences in English and Chinese');
      const table = stdout.split('\n').filter((line) => /^(fp32|fp16|q8) +(pictures|texts) +cpu /.test(line));
      expect(table.map((line) => line.split(/ +/).slice(0, 2))).toEqual([
        ['fp32', 'pictures'],
        ['fp16', 'pictures'],
        ['q8', 'pictures'],
        ['fp32', 'texts'],
        ['q8', 'texts'],
      ]);
      expect(stdout).toMatch(/^q8, pictures: min cosine 0\.9\d+, .* smaller: (fit|as good)/m);
      expect(stdout).toMatch(/^fp16, pictures: min cosine 0\.9999\d+, .*: as good as fp32/m);
      expect(stdout).toMatch(/^ {2}weights: MatMul \d+ int8 of [\d.]+ kB.* \(fp32: \d+ float32 of/m);
    },
    COMPARE_MS,
  );

  it(
    'prints the same for programs, measured in turn by at least seven rounds',
    async () => {
      const folder = folderWith({ 'vision_model_quantized.onnx': quantised(VISION) });
      const photos = path.join(home, 'photos');
      mkdirSync(photos);
      for (const name of ['astronaut.jpg', 'chelsea.jpg', 'rocket.jpg', 'gravel.webp', 'cell.png'])
        cpSync(path.join(IMAGES, name), path.join(photos, name));
      writeFileSync(path.join(photos, 'broken.jpg'), 'no photo');
      writeFileSync(path.join(photos, 'notes.txt'), 'no photo either');
      const { ended, model } = await compare(folder, '--photos', photos, '--batch', '3');
      expect({ ended, findings: model.findings }).toEqual({ ended: 0, findings: [] });
      expect(model.notes).toEqual([
        `compared by 6 photos of ${photos}, of which 1 can't be read`,
        'texts are not compared: of fp32, q8 only fp32 can embed them',
      ]);
      const [reference, q8] = [rowOf(model, 'fp32', 'vision'), rowOf(model, 'q8', 'vision')];
      expect(reference).toMatchObject({ verdict: 'reference', batch: 3, device: 'cpu' });
      expect(q8).toMatchObject({ batch: 3, device: 'cpu', fidelity: { inputs: 5 } });
      for (const { rounds = 0, ms, memoryBytes = 0 } of [reference, q8]) {
        expect(rounds).toBeGreaterThanOrEqual(7);
        expect(ms!.lower).toBeLessThanOrEqual(ms!.median);
        expect(ms!.median).toBeGreaterThan(0);
        expect(memoryBytes).toBeGreaterThan(30e6);
      }
      expect(q8.ratio!.median).toBeGreaterThan(0);
      const products = ({ weights = [] }: PrecisionRow): object =>
        Object.fromEntries(weights.filter(({ use }) => use === 'MatMul').map(({ type, ...rest }) => [type, rest]));
      const [before, now] = [products(reference), products(q8)] as Record<string, { count: number; bytes: number }>[];
      expect(now!['int8']!.count + (now!['float32']?.count ?? 0)).toBe(before!['float32']!.count);
      expect(4 * now!['int8']!.bytes + (now!['float32']?.bytes ?? 0)).toBe(before!['float32']!.bytes);
    },
    COMPARE_MS,
  );

  it(
    'calls scrambled weights unfit, though the model loads and passes its self-test',
    async () => {
      const folder = folderWith({
        'vision_model_quantized.onnx': quantised(VISION, { scramble: true }),
        'text_model_quantized.onnx': quantised(TEXT, { scramble: true }),
      });
      expect(await verify([folder], { CLIP_DTYPE: 'q8' })).toMatchObject({ ended: 0 });
      const { ended, model } = await compare(folder);
      expect(ended).toBe(1);
      expect(model.isGood).toBe(false);
      for (const side of ['vision', 'text']) {
        const { verdict, says, fidelity, error } = rowOf(model, 'q8', side);
        expect({ side, verdict, fidelity, error }).toMatchObject({ verdict: 'unfit', error: undefined });
        expect(says).toMatch(/: unfit: its vectors are not those of the model \(/);
      }
    },
    COMPARE_MS,
  );

  it(
    'goes on where one precision makes no numbers and another does not load, and says so in their rows',
    async () => {
      const folder = folderWith({
        'vision_model_quantized.onnx': quantised(VISION, { isNumberless: true }),
        'vision_model_fp16.onnx': unknownOperator(VISION),
      });
      const { ended, model } = await compare(folder);
      expect(ended).toBe(1);
      expect(rowOf(model, 'q8', 'vision')).toMatchObject({
        verdict: 'unfit',
        error: { code: 'MODEL_SELF_TEST' },
        says: expect.stringContaining('unfit: ') as string,
      });
      expect(rowOf(model, 'fp16', 'vision')).toMatchObject({
        verdict: 'failed',
        error: { code: 'MODEL_INVALID' },
        says: expect.stringMatching(/^does not run here \(device cpu\): .*NoSuchOperator/) as string,
      });
      expect(rowOf(model, 'fp32', 'vision').verdict).toBe('reference');
    },
    COMPARE_MS,
  );

  it(
    'compares both sides of a graph with both towers',
    async () => {
      const folder = writeJointModel(path.join(home, 'joint'));
      const joint = path.join(folder, 'onnx', 'model.onnx');
      writeFileSync(path.join(folder, 'onnx', 'model_quantized.onnx'), quantised(joint));
      const { model } = await compare(folder);
      expect(model.findings).toEqual([]);
      expect(model.rows.map(({ dtype, side }) => `${dtype} ${side}`)).toEqual([
        'fp32 vision',
        'fp16 vision',
        'q8 vision',
        'fp32 text',
        'fp16 text',
        'q8 text',
      ]);
      for (const side of ['vision', 'text']) {
        const row = rowOf(model, 'q8', side);
        expect(row.fidelity!.min, side).toBeGreaterThan(0.9);
        expect(row.weights).toContainEqual(expect.objectContaining({ use: 'MatMul', type: 'int8' }));
      }
    },
    COMPARE_MS,
  );

  it('does not give a damaged file to the runtime', async () => {
    const tiny = { ...readTinyModel(), 'onnx/vision_model_quantized.onnx': quantised(VISION) };
    const folder = await putCommit(path.join(home, 'hub'), REPOSITORY, COMMIT, tiny);
    const blob = await realpath(
      path.join(home, 'hub', 'models--Xenova--siglip-tiny/snapshots', COMMIT, 'onnx/vision_model_quantized.onnx'),
    );
    const bytes = Buffer.from(tiny['onnx/vision_model_quantized.onnx']);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 0xff, bytes.length - 1);
    writeFileSync(blob, bytes);
    const { ended, model } = await compare(REPOSITORY);
    expect(folder).not.toBe('');
    expect(ended).toBe(1);
    expect(model.rows).toEqual([]);
    expect(model.findings).toMatchObject([{ code: 'MODEL_CORRUPT' }]);
  });

  it('says how to get another precision where there is only one', async () => {
    await putCommit(path.join(home, 'hub'), REPOSITORY, COMMIT, readTinyModel());
    const cached = await verify([REPOSITORY, '--compare']);
    expect(cached.ended).toBe(1);
    expect(cached.stdout).toMatch(
      /^wrong .* MODEL_NOT_FOUND: Only fp32 .*"clip-runner models pull Xenova\/siglip-tiny --dtype q8".*tools\/export/m,
    );
    const { ended, model } = await compare(SIGLIP);
    expect(ended).toBe(1);
    expect(model.findings).toMatchObject([
      { code: 'MODEL_NOT_FOUND', message: expect.stringContaining('tools/export') as string },
    ]);
    mkdirSync(path.join(home, 'empty'));
    expect((await compare(path.join(home, 'empty'))).model.findings).toMatchObject([{ code: 'MODEL_NOT_FOUND' }]);
  });

  it.each([
    ['a folder of photos that is not there', [SIGLIP, '--compare', '--photos', './none'], "can't be read"],
    ['a folder without photos', [SIGLIP, '--compare', '--photos', SIGLIP], 'at least two photos'],
    ['photos without --compare', [SIGLIP, '--photos', IMAGES], 'give both'],
    ['a repair at the same time', [SIGLIP, '--compare', '--repair'], 'repair first'],
    ['a face model', [MARKER, '--compare'], 'is a face model'],
  ])('exits with 2 and one line for %s', async (_, args, reason) => {
    const { ended, stdout, stderr } = await verify(args);
    expect({ ended, stdout }).toEqual({ ended: 2, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(reason)]);
  });
});
