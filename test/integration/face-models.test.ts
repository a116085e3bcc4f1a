import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isForNoCommerce, noCommerceText } from '../../src/licence.js';
import type { FaceModel } from '../../src/model.js';
import { findLocalFaceModel, resolveFaceModel, type ResolveFaceOptions } from '../../src/models/resolve-face.js';
import { startHubServer, type HubServer } from '../support/hub-server.js';
import { MARKER, MARKER_BATCHED, MARKER_OPENCV } from '../support/marked-picture.js';
import { modelWithWeightsIn } from '../support/onnx-bytes.js';

const LICENCE = 'LicenseRef-InsightFace-non-commercial';

let homeDir: string;
let cacheDir: string;
let hub: HubServer;
beforeEach(async () => {
  homeDir = await mkdtemp(path.join(tmpdir(), 'face-models-'));
  cacheDir = path.join(homeDir, 'hub');
  hub = await startHubServer();
});
afterEach(async () => {
  await hub.close();
  await rm(homeDir, { recursive: true, force: true });
});

function resolve(name: string, options: ResolveFaceOptions = {}): Promise<FaceModel> {
  const quick = { retryDelayMs: 1, stallTimeoutMs: 5000 };
  return resolveFaceModel(name, { homeDir, cacheDir, endpoint: hub.url, ...quick, ...options });
}

const bytesOf = (...parts: readonly string[]): Promise<Buffer> => readFile(path.join(...parts));

/** A repository in the layout of immich-app. */
async function putImmich(repository: string): Promise<void> {
  hub.put(repository, {
    'detection/model.onnx': await bytesOf(MARKER, 'detection', 'model.onnx'),
    'recognition/model.onnx': await bytesOf(MARKER, 'recognition', 'model.onnx'),
    'recognition/model.armnn': Buffer.from('not for us'),
    'README.md': Buffer.from('words'),
  });
}

describe('resolveFaceModel', () => {
  it('reads a folder in immich-app’s layout, in insightface’s and with OpenCV’s names', async () => {
    expect(await resolve(MARKER)).toEqual({
      name: MARKER,
      detectionFile: path.join(MARKER, 'detection', 'model.onnx'),
      recognitionFile: path.join(MARKER, 'recognition', 'model.onnx'),
      recognitionPixels: 'centred',
    });
    expect(await resolve(MARKER_BATCHED)).toMatchObject({
      detectionFile: path.join(MARKER_BATCHED, 'det_500m.onnx'),
      recognitionFile: path.join(MARKER_BATCHED, 'w600k_mbf.onnx'),
      licence: LICENCE,
    });
    expect(await resolve(MARKER_OPENCV)).toMatchObject({
      detectionFile: path.join(MARKER_OPENCV, 'face_detection_yunet_2023mar.onnx'),
      recognitionFile: path.join(MARKER_OPENCV, 'face_recognition_sface_2021dec.onnx'),
      recognitionPixels: 'raw',
    });
    expect(hub.requests).toEqual([]);
  });

  it('says of a folder with antelopev2’s own names that it may be insightface’s: AuraFace has the same', async () => {
    const folder = path.join(homeDir, 'antelopev2');
    await mkdir(folder);
    await writeFile(path.join(folder, 'scrfd_10g_bnkps.onnx'), await bytesOf(MARKER, 'detection', 'model.onnx'));
    await writeFile(path.join(folder, 'glintr100.onnx'), await bytesOf(MARKER, 'recognition', 'model.onnx'));
    const { licence = '' } = await resolve(folder);
    expect(isForNoCommerce(licence)).toBe(true);
    expect(noCommerceText(licence)).toContain("may be insightface's");
    expect(noCommerceText(LICENCE)).toContain('allows no commercial use');
  });

  it('passes over further models of a pack, and quantised ones', async () => {
    const folder = path.join(homeDir, 'pack');
    await cp(MARKER_OPENCV, folder, { recursive: true });
    for (const name of [
      '1k3d68',
      'genderage',
      'face_detection_yunet_2023mar_int8',
      'face_recognition_sface_2021dec_int8bq',
    ]) {
      await writeFile(path.join(folder, `${name}.onnx`), 'not read');
    }
    expect((await resolve(folder)).detectionFile).toBe(path.join(folder, 'face_detection_yunet_2023mar.onnx'));
    expect((await resolve(folder)).recognitionFile).toBe(path.join(folder, 'face_recognition_sface_2021dec.onnx'));
  });

  it('takes a pack from insightface’s own folder, if it is there', async () => {
    const folder = path.join(homeDir, '.insightface', 'models', 'buffalo_s');
    await cp(MARKER_BATCHED, folder, { recursive: true });
    expect(await resolve('buffalo_s')).toMatchObject({
      name: 'buffalo_s',
      detectionFile: path.join(folder, 'det_500m.onnx'),
      licence: LICENCE,
    });
    expect(hub.requests).toEqual([]);
  });

  it.each(['buffalo_l', 'buffalo_m', 'buffalo_s', 'antelopev2'])(
    'downloads %s from immich-app: its two graphs only',
    async (name) => {
      await putImmich(`immich-app/${name}`);
      const model = await resolve(name);
      expect(await readFile(model.detectionFile)).toEqual(await bytesOf(MARKER, 'detection', 'model.onnx'));
      expect(await readFile(model.recognitionFile)).toEqual(await bytesOf(MARKER, 'recognition', 'model.onnx'));
      expect(model).toMatchObject({ name, licence: LICENCE, recognitionPixels: 'centred' });
      const fetched = hub.requests.filter(({ url }) => /armnn|README/.test(url) && url.includes('/resolve/'));
      expect(fetched).toEqual([]);
      // And from the cache afterwards, without the hub.
      const before = hub.requests.length;
      expect(await resolve(`immich-app/${name}`, { offline: true })).toEqual({ ...model, name: `immich-app/${name}` });
      expect(hub.requests).toHaveLength(before);
    },
  );

  it('puts yunet-sface together from two repositories', async () => {
    const yunet = 'face_detection_yunet_2023mar.onnx';
    const sface = 'face_recognition_sface_2021dec.onnx';
    hub.put('opencv/face_detection_yunet', { [yunet]: await bytesOf(MARKER_OPENCV, yunet) });
    hub.put('opencv/face_recognition_sface', { [sface]: await bytesOf(MARKER_OPENCV, sface) });
    const model = await resolve('yunet-sface');
    expect(path.basename(model.detectionFile)).toBe(yunet);
    expect(path.basename(model.recognitionFile)).toBe(sface);
    expect(model).toMatchObject({ recognitionPixels: 'raw', licence: 'MIT AND Apache-2.0' });
  });

  it('uses the cache where the hub is out of reach', async () => {
    await putImmich('immich-app/buffalo_l');
    const model = await resolve('buffalo_l');
    hub.fault({ match: '/', times: 1000, kind: { do: 'status', status: 503 } });
    expect(await resolve('buffalo_l')).toEqual(model);
  });

  it('says what is missing', async () => {
    hub.put('somebody/half', { 'detection/model.onnx': await bytesOf(MARKER, 'detection', 'model.onnx') });
    await expect(resolve('somebody/half')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('recognition/model.onnx') as string,
    });
    await expect(resolve('buffalo_l', { offline: true })).rejects.toMatchObject({ code: 'MODEL_OFFLINE' });
    await expect(resolve('./nowhere')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(resolve('buffalo_xxl')).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  it('refuses weights that lie elsewhere, and files that are no graph', async () => {
    const folder = path.join(homeDir, 'odd');
    await cp(MARKER, folder, { recursive: true });
    await writeFile(path.join(folder, 'detection', 'model.onnx'), modelWithWeightsIn('../../secret'));
    await expect(resolve(folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await writeFile(path.join(folder, 'detection', 'model.onnx'), 'no graph at all');
    await expect(resolve(folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});

describe('findLocalFaceModel', () => {
  const find = (name: string): Promise<FaceModel | undefined> =>
    findLocalFaceModel(name, { homeDir, cacheDir, endpoint: hub.url });

  it('finds what is on this machine, and asks nobody else', async () => {
    await putImmich('immich-app/buffalo_l');
    expect(await find('buffalo_l')).toBeUndefined();
    await mkdir(path.join(homeDir, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    expect(await find('buffalo_l')).toBeUndefined();
    await cp(MARKER_BATCHED, path.join(homeDir, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    expect(await find('buffalo_l')).toMatchObject({ name: 'buffalo_l', licence: LICENCE });
    expect(hub.requests).toEqual([]);
  });

  it('does not hide that a model is broken', async () => {
    const folder = path.join(homeDir, '.insightface', 'models', 'buffalo_l');
    await cp(MARKER_BATCHED, folder, { recursive: true });
    await writeFile(path.join(folder, 'det_500m.onnx'), '');
    await expect(find('buffalo_l')).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});
