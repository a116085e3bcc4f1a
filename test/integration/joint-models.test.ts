import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRunner } from '../../dist/index.js';
import type { ClipModel } from '../../src/model.js';
import { filesBelow, readCachedModel, type CachedModel } from '../../src/models/cached-models.js';
import { newOwner } from '../../src/partial-owner.js';
import { planRemoval, planRemovalOfOld, removePlanned } from '../../src/models/removal.js';
import { parseRepository } from '../../src/models/repository.js';
import { resolveClipModel, type ResolveOptions } from '../../src/models/resolve.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { fromFloat16Bits, toFloat16Bits } from '../../src/tasks/float16.js';
import { openTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import type { Session, TensorData } from '../../src/tensor.js';
import { cosine, IMAGES } from '../support/fixtures.js';
import { startHubServer } from '../support/hub-server.js';
import {
  HANDMADE,
  HANDMADE_WEIGHTS,
  handmadeJoint,
  JOINT_GOLDEN,
  JOINT_TABLE_BYTES,
  jointFeeds,
  writeHandmade,
  writeJointModel,
} from '../support/joint-model.js';
import type { Field } from '../support/onnx-bytes.js';
import { until } from '../support/until.js';

let home: string;
let sessions: Session[] = [];
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'clip-runner-joint-'));
});
afterEach(async () => {
  for (const session of sessions) await session.close();
  sessions = [];
  await rm(home, { recursive: true, force: true });
});

const at = (...parts: readonly string[]): string => path.join(home, ...parts);

function resolve(name: string, options: Partial<ResolveOptions> = {}): Promise<ClipModel> {
  return resolveClipModel({ label: 'x', name }, { dtype: 'fp32', cacheDir: at('hub'), ...options });
}

async function open(file: string): Promise<Session> {
  const session = await openOnnxSession(file, { device: 'cpu', strictDevice: true, intraOpThreads: 1 });
  sessions.push(session);
  return session;
}

const namesOf = (tensors: Session['inputs']): readonly string[] => tensors.map(({ name }) => name);

/** Each row of a `[rows, dimension]` tensor. */
function rowsOf({ type, data, dims: [rows = 0, length = 0] }: TensorData): readonly Float32Array[] {
  const values = type === 'float16' ? fromFloat16Bits(data as Uint16Array) : (data as Float32Array);
  return Array.from({ length: rows }, (_, row) => values.slice(row * length, (row + 1) * length));
}

/** Name of the folder with the parts of a graph. */
function keyOf({ visionFile }: ClipModel): string {
  return path.basename(path.dirname(path.dirname(visionFile!)));
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith('.onnx'));
}

async function leftovers(): Promise<readonly string[]> {
  return (await readdir(at('hub', 'clip-runner'), { recursive: true })).filter((name) => name.includes('.partial'));
}

describe('a graph with both towers', () => {
  const suffix = { fp32: '', fp16: '_fp16', q8: '_quantized' } as const;

  it.each(['fp32', 'fp16', 'q8'] as const)('gives per side the numbers that it gives as a whole: %s', async (dtype) => {
    const folder = writeJointModel(at('model'));
    const model = await resolve(folder, { dtype });
    const [vision, text] = [await open(model.visionFile!), await open(model.textFile!)];
    const whole = await open(path.join(folder, 'onnx', `model${suffix[dtype]}.onnx`));
    const { pixels, ids, mask } = jointFeeds();
    const bits = toFloat16Bits(pixels.data as Float32Array);
    const fed = dtype === 'fp16' ? { ...pixels, type: 'float16', data: bits } : pixels;

    const expected = await whole.run({ input_ids: ids, pixel_values: fed, attention_mask: mask });
    const pictures = (await vision.run({ pixel_values: fed }))['image_embeds']!;
    const texts = (await text.run({ input_ids: ids, attention_mask: mask }))['text_embeds']!;
    expect(pictures).toEqual(expected['image_embeds']);
    expect(texts).toEqual(expected['text_embeds']);

    const least = { fp32: 0.9999999, fp16: 0.9999, q8: 0.98 }[dtype];
    rowsOf(pictures).forEach((row, i) => expect(cosine(row, JOINT_GOLDEN.image_embeds[i]!)).toBeGreaterThan(least));
    rowsOf(texts).forEach((row, i) => expect(cosine(row, JOINT_GOLDEN.text_embeds[i]!)).toBeGreaterThan(least));
  });

  it('is cut to what each side wants: the other inputs, outputs and weights are gone', async () => {
    const folder = writeJointModel(at('model'));
    const model = await resolve(folder);
    const [vision, text] = [await open(model.visionFile!), await open(model.textFile!)];
    expect([namesOf(vision.inputs), namesOf(vision.outputs)]).toEqual([['pixel_values'], ['image_embeds']]);
    expect([namesOf(text.inputs), namesOf(text.outputs)]).toEqual([['input_ids', 'attention_mask'], ['text_embeds']]);
    const size = async (file: string): Promise<number> => (await stat(file)).size;
    const whole = await size(path.join(folder, 'onnx', 'model.onnx'));
    expect(await size(model.visionFile!)).toBeLessThan(whole - JOINT_TABLE_BYTES);
    expect(await size(model.textFile!)).toBeGreaterThan(JOINT_TABLE_BYTES);
    expect((await size(model.visionFile!)) + (await size(model.textFile!))).toBeLessThan(whole);
  });

  it('serves pictures and texts like any model', async () => {
    const folder = writeJointModel(at('model'));
    const runner = createRunner({
      models: [{ label: 'x', name: folder }],
      tasks: ['clip', 'text'],
      device: 'cpu',
      hub: { cacheDir: at('hub') },
    });
    try {
      await runner.start();
      expect(runner.stats().models).toMatchObject([{ dimension: 20 }, { dimension: 20 }]);
      const [picture] = await runner.embedImages([path.join(IMAGES, 'chelsea.jpg')]);
      expect(Math.hypot(...picture!)).toBeCloseTo(1, 6);
      const texts = ['a cat on the beach', 'bridge'];
      const vectors = await runner.embedTexts(texts);
      const whole = await open(path.join(folder, 'onnx', 'model.onnx'));
      const tokenizer = await openTokenizer(folder);
      for (const [index, text] of texts.entries()) {
        const ids = tokenizer.encode(text, 77);
        const tensor = (values: readonly number[]): TensorData => ({
          type: 'int64',
          data: BigInt64Array.from(values.map(BigInt)),
          dims: [1, ids.length],
        });
        const mask = tensor(ids.map(() => 1));
        const made = await whole.run({
          input_ids: tensor(ids),
          attention_mask: mask,
          pixel_values: jointFeeds().pixels,
        });
        expect(cosine(vectors[index]!, rowsOf(made['text_embeds']!)[0]!)).toBeGreaterThan(0.999999);
      }
    } finally {
      await runner.stop();
    }
  });

  it('may have branches that take their weights from outside', async () => {
    const model = await resolve(writeHandmade(at('model'), { isBranched: true }), { wantText: false });
    const [part, whole] = [await open(model.visionFile!), await open(at('model', 'onnx', 'model.onnx'))];
    const pixels = {
      type: 'float32',
      data: Float32Array.from({ length: HANDMADE.pixels }, (_, i) => i / 7),
      dims: [1, 3, 4, 4],
    };
    const ids = { type: 'int64', data: BigInt64Array.of(3n, 9n), dims: [1, 2] };
    const expected = await whole.run({ pixels, ids });
    expect(await part.run({ pixels })).toEqual({ image_embeds: expected['image_embeds'] });
  });
});

describe('weights in a file of their own', () => {
  const pixels = {
    type: 'float32',
    data: Float32Array.from({ length: HANDMADE.pixels }, (_, i) => i / 7),
    dims: [1, 3, 4, 4],
  };
  const ids = { type: 'int64', data: BigInt64Array.of(3n, 9n), dims: [1, 2] };

  it('are found by the parts, and take no room twice', async () => {
    const folder = writeHandmade(at('model'), { weightsIn: 'weights.bin' });
    await writeFile(at('model', 'tokenizer.json'), '{}');
    const model = await resolve(folder, { wantText: true });
    const whole = await open(path.join(folder, 'onnx', 'model.onnx'));
    const expected = await whole.run({ pixels, ids });
    expect(await (await open(model.visionFile!)).run({ pixels })).toEqual({ image_embeds: expected['image_embeds'] });
    expect(await (await open(model.textFile!)).run({ ids })).toEqual({ text_embeds: expected['text_embeds'] });
    const [source, part] = [path.join(folder, 'onnx'), path.dirname(model.visionFile!)].map((parent) =>
      path.join(parent, 'weights.bin'),
    );
    expect((await stat(part!)).ino).toBe((await stat(source!)).ino);
  });

  it('are not followed out of the folder', async () => {
    const folder = writeHandmade(at('model'), { weightsIn: 'weights.bin' });
    await writeFile(at('secret'), HANDMADE_WEIGHTS);
    await rm(path.join(folder, 'onnx', 'weights.bin'));
    await symlink('../../secret', path.join(folder, 'onnx', 'weights.bin'));
    await expect(resolve(folder)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('leads out') as string,
    });
    await expect(stat(at('hub', 'clip-runner'))).rejects.toThrow();
  });

  it('may come from a hub, and are cut again neither online nor offline', async () => {
    const folder = writeHandmade(at('model'), { weightsIn: 'model.onnx_data' });
    const read = (file: string): Promise<Buffer> => readFile(path.join(folder, file));
    const server = await startHubServer();
    try {
      server.put('Xenova/chinese-clip-vit-tiny', {
        'preprocessor_config.json': await read('preprocessor_config.json'),
        'onnx/model.onnx': await read('onnx/model.onnx'),
        'onnx/model.onnx_data': await read('onnx/model.onnx_data'),
      });
      const ask = (offline: boolean): Promise<ClipModel> =>
        resolve('OFA-Sys/chinese-clip-vit-tiny', { endpoint: server.url, offline, wantText: false });
      await expect(ask(true)).rejects.toThrow(/There is no onnx\/model\.onnx of Xenova\/chinese-clip-vit-tiny/);
      const model = await ask(false);
      const before = await stat(model.visionFile!);
      const expected = await (await open(path.join(folder, 'onnx', 'model.onnx'))).run({ pixels, ids });
      expect(await (await open(model.visionFile!)).run({ pixels })).toEqual({ image_embeds: expected['image_embeds'] });
      for (const offline of [false, true]) {
        const again = await ask(offline);
        expect(again.visionFile!).toBe(model.visionFile!);
        expect((await stat(again.visionFile!)).ino).toBe(before.ino);
      }
    } finally {
      await server.close();
    }
  });
});

describe('the cut graphs', () => {
  it('are made once, and anew when the file has changed', async () => {
    const folder = writeHandmade(at('model'));
    const first = await resolve(folder, { wantText: false });
    // A folder's time changes with everything that is made in it, if only for a while.
    const touched = (): Promise<number> =>
      stat(at('hub', 'clip-runner', 'towers', keyOf(first))).then((facts) => facts.mtimeMs);
    const made = await touched();
    const bytes = await readFile(first.visionFile!);
    const second = await resolve(folder, { wantText: false });
    expect([second.visionFile, await touched()]).toEqual([first.visionFile, made]);
    await utimes(path.join(folder, 'onnx', 'model.onnx'), 1, 1);
    const third = await resolve(folder, { wantText: false });
    expect(third.visionFile!).not.toBe(first.visionFile!);
    expect((await readFile(third.visionFile!)).equals(bytes)).toBe(true);
  });

  it('are not made for a side that nobody wants', async () => {
    const model = await resolve(writeJointModel(at('model')), { wantText: false });
    expect(model).not.toHaveProperty('textFile');
    expect(model).not.toHaveProperty('tokenizerFolder');
    expect(await readdir(path.dirname(path.dirname(model.visionFile!)))).toEqual(['vision']);
  });

  it('are the same for all who make them at once, and nothing is left behind', async () => {
    const folder = writeJointModel(at('model'));
    const models = await Promise.all(Array.from({ length: 6 }, () => resolve(folder)));
    expect(new Set(models.map(({ visionFile }) => visionFile)).size).toBe(1);
    expect(await leftovers()).toEqual([]);
    await open(models[0]!.visionFile!);
  });

  it('leave nothing behind when a stop comes in between', async () => {
    const folder = writeJointModel(at('model'));
    await expect(resolve(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    expect(await leftovers()).toEqual([]);
    await open((await resolve(folder)).visionFile!);
  });

  it('that were half made when the process was killed are not used', async () => {
    const folder = writeHandmade(at('model'));
    // A field of no meaning, so large that writing it takes a while; the graph comes after it.
    const filler: Field = [99, Buffer.alloc(256 * 1024 ** 2)];
    await writeFile(path.join(folder, 'onnx', 'model.onnx'), handmadeJoint({ model: [filler] }));
    const options = { models: [{ label: 'x', name: folder }], device: 'cpu', hub: { cacheDir: at('hub') } };
    const code = `const { createRunner } = await import(${JSON.stringify(pathToFileURL('dist/index.js').href)});
      await createRunner(${JSON.stringify(options)}).start();`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: 'inherit' });
    const exit = once(child, 'exit');
    await until('a graph is being cut', async () => (await filesOf(at('hub', 'clip-runner'))).length > 0, 60_000);
    child.kill('SIGKILL');
    await exit;
    const [half] = await filesOf(at('hub', 'clip-runner'));
    expect(half).toMatch(/\.partial\/vision_model\.onnx$/);
    await open((await resolve(folder)).visionFile!);
    expect(await leftovers()).toEqual([]);
  });

  it('serve several processes that make them at once', async () => {
    const folder = writeJointModel(at('model'));
    const options = { models: [{ label: 'x', name: folder }], device: 'cpu', hub: { cacheDir: at('hub') } };
    const code = `const { createRunner } = await import(${JSON.stringify(pathToFileURL('dist/index.js').href)});
      const runner = createRunner(${JSON.stringify(options)});
      await runner.start();
      await runner.stop();`;
    const run = async (): Promise<unknown> => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: 'inherit' });
      return (await once(child, 'exit'))[0];
    };
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0]);
    expect(await leftovers()).toEqual([]);
  });

  it('need a folder that can be written to', async () => {
    await mkdir(at('hub'));
    await writeFile(at('hub', 'clip-runner'), 'not a folder');
    await expect(resolve(writeHandmade(at('model')))).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringMatching(/can't be written to .*clip-runner.* \((ENOTDIR|EEXIST)\).*HF_HOME/) as string,
    });
  });
});

describe('cut graphs that something happened to', () => {
  const towers = (...parts: readonly string[]): string => at('hub', 'clip-runner', 'towers', ...parts);
  const resolvesTo = async (folder: string): Promise<Buffer> =>
    readFile((await resolve(folder, { wantText: false })).visionFile!);

  it.each([
    ['is shorter', (file: string) => truncate(file, 100)],
    ['is empty', (file: string) => truncate(file, 0)],
    ['is gone', (file: string) => rm(file)],
    ['has no manifest', (file: string) => rm(path.join(path.dirname(file), 'cut.json'))],
    ['has half a manifest', (file: string) => truncate(path.join(path.dirname(file), 'cut.json'), 20)],
  ])('are made anew where one %s', async (_, damage) => {
    const folder = writeJointModel(at('model'));
    const { visionFile } = await resolve(folder, { wantText: false });
    const good = await readFile(visionFile!);
    await damage(visionFile!);
    expect((await resolvesTo(folder)).equals(good)).toBe(true);
    expect(await readdir(path.dirname(visionFile!))).toEqual(['cut.json', 'vision_model.onnx']);
  });

  it('are mended by all who find one damaged at once, while others load it', async () => {
    const folder = writeJointModel(at('model'));
    const { visionFile } = await resolve(folder, { wantText: false });
    const good = await readFile(visionFile!);
    for (let round = 0; round < 10; round++) {
      await truncate(visionFile!, 100);
      // Each must be able to read what it was given, at the very moment that it is given.
      const seen = await Promise.all(Array.from({ length: 6 }, () => resolvesTo(folder)));
      expect(seen.every((bytes) => bytes.equals(good))).toBe(true);
    }
    expect(await leftovers()).toEqual([]);
  });

  it('go when their source changes or is gone, and what killed processes left goes, too', async () => {
    const [changed, gone, kept] = ['changed', 'gone', 'kept'].map((name) => writeHandmade(at(name)));
    const keys = [];
    for (const folder of [changed!, gone!, kept!]) keys.push(keyOf(await resolve(folder, { wantText: false })));
    await utimes(path.join(changed!, 'onnx', 'model.onnx'), 1, 1);
    await rm(gone!, { recursive: true });
    const [killed, foreign, old] = [
      `vision.${newOwner().replace(/-\d+-/, '-2147483646-')}.partial`,
      'vision.ffffffff-2147483646-00000000.partial',
      'text.ffffffff-2147483646-00000000.partial',
    ];
    for (const name of [killed, foreign, old]) {
      await mkdir(towers('some-key', name), { recursive: true });
      await copyFile(path.join(kept!, 'onnx', 'model.onnx'), towers('some-key', name, 'vision_model.onnx'));
    }
    const hoursAgo = Date.now() / 1000 - 7200;
    await utimes(towers('some-key', old), hoursAgo, hoursAgo);

    const key = keyOf(await resolve(changed!, { wantText: false }));
    expect((await readdir(towers())).sort()).toEqual([keys[2]!, key, 'some-key'].sort());
    expect(await readdir(towers('some-key'))).toEqual([foreign]);
  });

  it('lie in the folder of their repository, and go with it and with the commit that they were cut from', async () => {
    const server = await startHubServer();
    try {
      const put = async (version: number): Promise<void> => {
        const folder = writeHandmade(at(`model-${version}`), { weightsIn: 'model.onnx_data' });
        const read = (file: string): Promise<Buffer> => readFile(path.join(folder, file));
        server.put('somebody/joint', {
          'preprocessor_config.json': await read('preprocessor_config.json'),
          'onnx/model.onnx': handmadeJoint({ weightsIn: 'model.onnx_data', model: [[99, Buffer.from([version])]] }),
          'onnx/model.onnx_data': await read('onnx/model.onnx_data'),
        });
      };
      const ask = (): Promise<ClipModel> => resolve('somebody/joint', { endpoint: server.url, wantText: false });
      const describeIt = async (): Promise<CachedModel> =>
        (await readCachedModel(at('hub'), parseRepository('somebody/joint')))!;
      await put(1);
      const first = await ask();
      expect(first.visionFile).toContain(at('hub', 'models--somebody--joint', 'clip-runner', 'towers'));
      const { folder, sizeBytes } = await describeIt();
      const manifest = path.join(path.dirname(first.visionFile!), 'cut.json');
      const sizeOf = async (file: string): Promise<number> => (await stat(file)).size;
      const before = (await filesBelow(path.join(folder, 'blobs'), path.join(folder, 'refs'))).map(
        (file) => file.sizeBytes,
      );
      // The weights have a second name there; their bytes count once.
      expect(sizeBytes).toBe(
        [...before, await sizeOf(first.visionFile!), await sizeOf(manifest)].reduce((sum, size) => sum + size, 0),
      );

      await put(2);
      const second = await ask();
      const old = await planRemovalOfOld(await describeIt());
      expect(old.paths).toContain(path.dirname(first.visionFile!));
      expect(old).toMatchObject({ files: 3 });
      await removePlanned(old, at('hub'));
      await expect(stat(first.visionFile!)).rejects.toThrow();
      await stat(second.visionFile!);
      await removePlanned(await planRemoval(await describeIt()), at('hub'));
      expect(await readdir(at('hub'))).toEqual([]);
    } finally {
      await server.close();
    }
  });
});

describe('a file that is no graph with both towers', () => {
  const write = async (bytes: Uint8Array): Promise<string> => {
    const folder = writeHandmade(at('model'));
    await writeFile(path.join(folder, 'onnx', 'model.onnx'), bytes);
    return folder;
  };
  const named = (reason: RegExp): object => ({
    code: 'MODEL_INVALID',
    message: expect.stringMatching(new RegExp(`onnx/model\\.onnx.*${reason.source}`)) as string,
  });

  it('is refused by name where it was cut off', async () => {
    const folder = await write(handmadeJoint());
    await truncate(path.join(folder, 'onnx', 'model.onnx'), 1000);
    await expect(resolve(folder)).rejects.toMatchObject(named(/is not a whole ONNX file/));
  });

  it('is refused by name where it is something else', async () => {
    await expect(resolve(await write(Buffer.from('not a model')))).rejects.toMatchObject(
      named(/not a whole ONNX file/),
    );
  });

  it('is refused where it has only a text side', async () => {
    const model = await resolve(writeJointModel(at('other')));
    const folder = await write(await readFile(model.textFile!));
    await expect(resolve(folder)).rejects.toMatchObject(named(/depends on pixels/));
  });

  it.each([undefined, true])('serves pictures alone where it has no text side (texts wanted: %s)', async (wantText) => {
    const whole = await resolve(writeJointModel(at('model')));
    await writeFile(at('model', 'onnx', 'model.onnx'), await readFile(whole.visionFile!));
    const asked = resolve(at('model'), { wantText });
    if (wantText === true) await expect(asked).rejects.toMatchObject(named(/depends on ids/));
    else expect(await asked).not.toHaveProperty('textFile');
  });
});
