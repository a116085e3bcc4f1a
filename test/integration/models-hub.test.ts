import { createHash } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
  chmod,
  cp,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunnerError } from '../../src/errors.js';
import type { ClipModel } from '../../src/model.js';
import type { DownloadProgress } from '../../src/models/download.js';
import { resolveHubOptions } from '../../src/models/hub-options.js';
import { listRepository } from '../../src/models/hub.js';
import { resolveClipModel, type ResolveOptions } from '../../src/models/resolve.js';
import { createTransport } from '../../src/models/transport.js';
import { inspectModelFolder } from '../../src/models/verify.js';
import { startHubServer, type HubRepository, type HubServer } from '../support/hub-server.js';
import { modelWithWeightsIn } from '../support/onnx-bytes.js';
import { readTinyModel, TINY_MODEL_FOLDER } from '../support/tiny-model.js';

const NAME = 'Xenova/siglip-tiny';
const VISION = 'onnx/vision_model.onnx';
const TOKEN = 'hf_secret-of-the-test';

let home: string;
let cacheDir: string;
let server: HubServer;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'models-hub-'));
  cacheDir = join(home, 'hub');
  server = await startHubServer();
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

function resolve(options: Partial<ResolveOptions> = {}, name = NAME): Promise<ClipModel> {
  const quick = { retryDelayMs: 1, stallTimeoutMs: 5000 };
  return resolveClipModel(
    { label: 'tiny', name },
    { dtype: 'fp32', cacheDir, endpoint: server.url, ...quick, ...options },
  );
}

const cache = (...path: readonly string[]): string => join(cacheDir, 'models--Xenova--siglip-tiny', ...path);

function hashOf(repository: HubRepository, path = VISION): string {
  return repository.files.get(path)!.hash;
}

async function expectWhole(
  { folder }: ClipModel,
  files: Readonly<Record<string, Uint8Array>> = readTinyModel(),
): Promise<void> {
  for (const [path, bytes] of Object.entries(files)) {
    expect((await readFile(join(folder, path))).equals(bytes), `${path} has the hub's bytes`).toBe(true);
  }
  expect((await leftovers()).length, 'no temporary file is left').toBe(0);
}

async function leftovers(): Promise<readonly string[]> {
  const names = await readdir(cache(), { recursive: true });
  return names.filter((name) => /\.(partial|tmp|incomplete)$/.test(name));
}

/** The `Range` headers of the content network's requests, one each; undefined for whole files. */
function ranges(): readonly (string | undefined)[] {
  return server.requests.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
}

/** Without the text side the vision graph is the only large file. */
const VISION_ONLY = { wantText: false } as const;

describe('a model on the hub', () => {
  it('is downloaded into the cache that Python shares, and described', async () => {
    const { commit, files } = server.put(NAME, readTinyModel());
    const model = await resolve();
    expect(model).toMatchObject({
      label: 'tiny',
      name: NAME,
      dtype: 'fp32',
      folder: cache('snapshots', commit),
      visionFile: cache('snapshots', commit, VISION),
      textFile: cache('snapshots', commit, 'onnx/text_model.onnx'),
      tokenizerFolder: cache('snapshots', commit),
      preprocess: { mode: 'squash', mean: [0.5, 0.5, 0.5] },
      licence: 'Apache-2.0',
    });
    await expectWhole(model);
    expect(await readFile(cache('refs', 'main'), 'utf8')).toBe(commit);
    expect(await readlink(model.visionFile!)).toBe(join('..', '..', '..', 'blobs', hashOf({ commit, files })));
    expect((await readdir(cache('blobs'))).sort()).toEqual([...files.values()].map(({ hash }) => hash).sort());
    // As readable as its folder, not only by us.
    expect((await stat(model.visionFile!)).mode & 0o777).toBe((await stat(cache('blobs'))).mode & 0o666);
  });

  it('is asked for by its well-known name', async () => {
    server.put('Xenova/clip-vit-base-patch32', readTinyModel());
    const model = await resolve({}, 'openai/clip-vit-base-patch32');
    expect(model).toMatchObject({ name: 'openai/clip-vit-base-patch32', licence: 'MIT' });
    expect(relative(cacheDir, model.folder)).toMatch(/^models--Xenova--clip-vit-base-patch32/);
  });

  it('is only its text side where nobody reads pictures, online and from the cache', async () => {
    server.put(NAME, readTinyModel());
    const sides = { wantVision: false, wantText: true } as const;
    const model = await resolve(sides);
    expect(model).not.toHaveProperty('visionFile');
    expect(model).not.toHaveProperty('preprocess');
    expect(basename(model.textFile ?? '')).toBe('text_model.onnx');
    const fetched = server.requests.filter(({ url }) => url.includes('/resolve/')).map(({ url }) => basename(url));
    expect(fetched).toContain('text_model.onnx');
    expect(fetched).not.toContain('vision_model.onnx');
    expect(fetched).not.toContain('preprocessor_config.json');
    expect(await resolve({ ...sides, offline: true })).toEqual(model);
    await expect(resolve({ wantVision: true, offline: true })).rejects.toMatchObject({ code: 'MODEL_OFFLINE' });
  });

  it('is not downloaded twice', async () => {
    server.put(NAME, readTinyModel());
    await resolve();
    const before = server.requests.length;
    await resolve();
    expect(server.requests.slice(before).every(({ url }) => url.startsWith('/api/models/'))).toBe(true);
  });

  it('shares the files that a new commit has not changed', async () => {
    server.put(NAME, readTinyModel());
    const first = await resolve();
    server.put(NAME, { ...readTinyModel(), 'config.json': Buffer.from('{}') });
    const before = server.requests.length;
    const second = await resolve();
    expect(second.folder).not.toBe(first.folder);
    expect(await readFile(cache('refs', 'main'), 'utf8')).toBe(second.folder.split('/').at(-1));
    const fetched = server.requests.slice(before).filter(({ url }) => url.includes('/resolve/'));
    expect(fetched.map(({ url }) => url.split('/').at(-1))).toEqual(['config.json']);
  });

  it('reports its progress, whatever the listener throws', async () => {
    server.put(NAME, {
      ...readTinyModel(),
      [VISION]: Buffer.concat([readTinyModel()[VISION], paddingField(3_000_000)]),
    });
    const seen: DownloadProgress[] = [];
    await resolve({
      ...VISION_ONLY,
      onProgress: (progress) => {
        seen.push(progress);
        throw new Error('a listener of the test');
      },
    });
    const vision = seen.filter(({ file }) => file === VISION);
    expect(vision.length).toBeGreaterThan(2);
    expect(vision.length).toBeLessThan(10);
    expect(vision.at(-1)).toMatchObject({ receivedBytes: vision[0]!.totalBytes });
  });

  it('brings along the files that its graph keeps weights in, and ONNX Runtime loads it from the cache', async () => {
    const weights = Buffer.alloc(8192);
    const files = { ...readTinyModel(), [VISION]: EXTERNAL_GRAPH, 'onnx/vision_model.onnx_data': weights };
    server.put(NAME, files);
    const model = await resolve(VISION_ONLY);
    await expectWhole(model, { [VISION]: EXTERNAL_GRAPH, 'onnx/vision_model.onnx_data': weights });
    const session = await InferenceSession.create(model.visionFile!);
    expect(session.inputNames).toEqual(['x']);
    await session.release();
  });

  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    [
      'preprocessor_config.json',
      { image_processor_type: 'CLIPImageProcessor', size: { height: 224, width: 224 }, do_center_crop: false },
      /config\.json has model_type "siglip" .*preprocessor_config\.json has image_processor_type "CLIPImageProcessor"/,
    ],
    [
      'tokenizer.json',
      { model: { type: 'WordPiece', vocab: {} } },
      /config\.json has model_type "siglip" .*tokenizer\.json is a WordPiece/,
    ],
  ])('is refused when its %s is of another family', async (path, json, message) => {
    const changed = Buffer.from(JSON.stringify(json));
    server.put(NAME, { ...readTinyModel(), [path]: changed });
    await expect(resolve()).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(resolve()).rejects.toThrow(message);
  });

  it('is taken apart or whole in a folder with textual/ of another family, where config.json says which it is', async () => {
    const tiny = readTinyModel();
    const folder = join(home, 'immich');
    const files = {
      'config.json': tiny['config.json'],
      'visual/preprocess_cfg.json': Buffer.from(JSON.stringify({ size: [224, 224], resize_mode: 'squash' })),
      'visual/model.onnx': tiny[VISION],
      'textual/model.onnx': tiny['onnx/text_model.onnx'],
      'textual/tokenizer.json': Buffer.from(JSON.stringify({ model: { type: 'WordPiece', vocab: {} } })),
      'textual/tokenizer_config.json': Buffer.from(JSON.stringify({ tokenizer_class: 'BertTokenizer' })),
    };
    for (const [path, bytes] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), bytes);
    }
    await expect(resolve({}, folder)).rejects.toThrow(/"siglip" .*textual\/tokenizer_config\.json has tokenizer_class/);
    // Pictures alone don't need the tokenizer.
    await expect(resolve(VISION_ONLY, folder)).resolves.toMatchObject({ folder });
    await writeFile(join(folder, 'textual', 'tokenizer.json'), tiny['tokenizer.json']);
    await writeFile(join(folder, 'textual', 'tokenizer_config.json'), tiny['tokenizer_config.json']);
    await expect(resolve({}, folder)).resolves.toMatchObject({ folder });
  });

  it('is refused when its graph names a file outside its folder', async () => {
    server.put(NAME, { ...readTinyModel(), [VISION]: modelWithWeightsIn('../../../../secret') });
    await expect(resolve()).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('is refused when a file that its graph needs is not in the repository', async () => {
    server.put(NAME, { ...readTinyModel(), [VISION]: modelWithWeightsIn('weights.bin') });
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('onnx/weights.bin') as string,
    });
  });

  it('security 9: is refused by its length when it is larger than allowed', async () => {
    server.put(NAME, readTinyModel());
    await expect(resolve({ maxFileBytes: 600_000 })).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringContaining('maxFileBytes') as string,
    });
    expect(server.requests.some(({ url }) => url.endsWith(VISION))).toBe(false);
  });

  it('tells which dtypes exist', async () => {
    server.put(NAME, readTinyModel());
    await expect(resolve({ dtype: 'fp16' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('The dtypes that exist are fp32.') as string,
    });
  });

  it('is listed without files whose paths lead elsewhere', async () => {
    server.put(NAME, { ...readTinyModel(), '../../evil': Buffer.from('evil'), 'a//b': Buffer.from('evil') });
    const transport = createTransport({ endpoint: server.url, token: '', repository: NAME });
    const { files } = await listRepository(NAME, transport, resolveHubOptions({ endpoint: server.url }), undefined);
    expect([...files.keys()].sort()).toEqual(Object.keys(readTinyModel()).sort());
  });

  it('can be checked later, file by file', async () => {
    server.put(NAME, readTinyModel());
    const model = await resolve();
    const facts = await inspectModelFolder(model.folder);
    expect(facts.map(({ path, isIntact }) => [path, isIntact])).toEqual(
      Object.keys(readTinyModel())
        .sort()
        .map((path) => [path, true]),
    );
    const vision = readTinyModel()[VISION];
    expect(facts.find(({ path }) => path === VISION)).toMatchObject({
      sizeBytes: vision.length,
      sha256: createHash('sha256').update(vision).digest('hex'),
    });
    vision.writeUInt8(vision.readUInt8(1000) ^ 1, 1000);
    await writeFile(model.visionFile!, vision);
    await writeFile(join(model.folder, 'config.json'), '{ }');
    const broken = (await inspectModelFolder(model.folder)).filter(({ isIntact }) => isIntact === false);
    expect(broken.map(({ path }) => path)).toEqual(['config.json', VISION]);
  });
});

describe('a download that is disturbed', () => {
  it('goes on where the connection broke', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'drop', afterBytes: 300_000 } });
    const model = await resolve(VISION_ONLY);
    await expectWhole(model, { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, 'bytes=300000-']);
    // A signed address may have run out meanwhile: the hub is asked for a new one.
    expect(server.requests.filter(({ url }) => url.endsWith(VISION))).toHaveLength(2);
  });

  it('goes on as often as the connection breaks, as long as something comes', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', times: 10, kind: { do: 'drop', afterBytes: 50_000 } });
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toHaveLength(11);
    expect(ranges().at(-1)).toBe('bytes=500000-');
  });

  it('gives up when nothing comes any more, and goes on with what it has the next time', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'drop', afterBytes: 300_000 } });
    server.fault({ match: '/blobs/', times: 4, kind: { do: 'drop', afterBytes: 0 } });
    await expect(resolve(VISION_ONLY)).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' });
    expect(await leftovers()).toHaveLength(1);
    const before = ranges().length;
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges().slice(before)).toEqual(['bytes=300000-']);
  });

  it('begins anew when the server does not know ranges', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'drop', afterBytes: 300_000 } });
    server.fault({ match: '/blobs/', kind: { do: 'ignore-range' } });
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, 'bytes=300000-']);
  });

  it('gives a silent connection up and goes on', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'stall', afterBytes: 200_000 } });
    await expectWhole(await resolve({ ...VISION_ONLY, stallTimeoutMs: 200 }), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, 'bytes=200000-']);
  });

  it('goes on where an answer ended too early without a word', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'send-less', bytes: 123_456 } });
    server.fault({ match: '/blobs/', times: 2, kind: { do: 'send-less', bytes: 0 } });
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, ...Array<string>(3).fill('bytes=123456-')]);
  });

  it('gives up when every answer ends too early', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', times: 99, kind: { do: 'send-less', bytes: 0 } });
    await expect(resolve(VISION_ONLY)).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' });
    expect(ranges()).toHaveLength(5);
  });

  for (const status of [429, 503]) {
    it(`is tried again after ${status}, for listings as for files`, async () => {
      server.put(NAME, readTinyModel());
      server.fault({ match: '/revision/', kind: { do: 'status', status, headers: { 'retry-after': '0' } } });
      server.fault({ match: '/tree/', kind: { do: 'status', status } });
      server.fault({ match: '/blobs/', kind: { do: 'status', status } });
      await expectWhole(await resolve());
    });
  }

  it('asks for a new address when the signed one has run out', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', host: 'cdn', kind: { do: 'status', status: 403 } });
    await expectWhole(await resolve());
  });

  it('security 9: is fetched once more when its content is wrong', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'corrupt' } });
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, undefined]);
  });

  it('is fetched once more when a small file is wrong', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/resolve-cache/', kind: { do: 'corrupt' } });
    await expectWhole(await resolve());
  });

  for (const fault of ['corrupt', 'lengthen', 'shorten', 'send-more'] as const) {
    it(`fails when its content stays wrong (${fault}), and leaves nothing behind`, async () => {
      server.put(NAME, readTinyModel());
      server.fault({ match: '/blobs/', times: 2, kind: { do: fault } });
      await expect(resolve()).rejects.toMatchObject({
        code: 'MODEL_CORRUPT',
        message: expect.stringContaining('twice in a row') as string,
      });
      expect(await leftovers()).toEqual([]);
      await expect(stat(cache('refs', 'main'))).rejects.toThrow('ENOENT');
      // Nor does the failure wedge the cache.
      await expectWhole(await resolve());
    });
  }

  it('stops when it is told to, and goes on the next time', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'stall', afterBytes: 400_000 } });
    const controller = new AbortController();
    const stopped = resolve({ ...VISION_ONLY, signal: controller.signal });
    const outcome = stopped.then(() => 'done').catch((error: unknown) => error);
    await until(async () => (await partialBytes()) === 400_000);
    controller.abort(new Error('enough'));
    expect(await outcome).toMatchObject({ code: 'RUNNER_STOPPED' });
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual([undefined, 'bytes=400000-']);
  });
});

describe('the cache', () => {
  it('is written by several downloads of the same model at once', async () => {
    // They share no memory, only the folder: the same as several processes.
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', times: 3, kind: { do: 'drop', afterBytes: 100_000 } });
    const models = await Promise.all(Array.from({ length: 6 }, () => resolve()));
    for (const model of models) await expectWhole(model);
  });

  it('goes on with the file of a process that was killed', async () => {
    const repository = server.put(NAME, readTinyModel());
    await leavePartial(hashOf(repository), readTinyModel()[VISION].subarray(0, 250_000), 3600);
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual(['bytes=250000-']);
  });

  it('begins anew when such a file holds something else', async () => {
    const repository = server.put(NAME, readTinyModel());
    await leavePartial(hashOf(repository), Buffer.alloc(250_000, 7), 3600);
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
    expect(ranges()).toEqual(['bytes=250000-', undefined]);
  });

  it('begins anew when such a file is longer than it may be', async () => {
    const repository = server.put(NAME, readTinyModel());
    await leavePartial(hashOf(repository), Buffer.alloc(1_000_000), 3600);
    await expectWhole(await resolve(VISION_ONLY), { [VISION]: readTinyModel()[VISION] });
  });

  it('leaves the file of a living process alone', async () => {
    const repository = server.put(NAME, readTinyModel());
    const partial = await leavePartial(hashOf(repository), readTinyModel()[VISION].subarray(0, 250_000), 1);
    await resolve(VISION_ONLY);
    expect(ranges()).toEqual([undefined]);
    expect((await stat(partial)).size).toBe(250_000);
  });

  it('is mended where a link leads nowhere or a file was cut off', async () => {
    const repository = server.put(NAME, readTinyModel());
    await mkdir(cache('snapshots', repository.commit, 'onnx'), { recursive: true });
    await symlink('../../../blobs/gone', cache('snapshots', repository.commit, VISION));
    await mkdir(cache('blobs'));
    await writeFile(cache('blobs', hashOf(repository, 'onnx/text_model.onnx')), 'half a file');
    await expectWhole(await resolve());
  });

  it('may be read-only when it holds the model', async () => {
    server.put(NAME, readTinyModel());
    const { folder } = await resolve();
    const reasons: RunnerError[] = [];
    await withoutWriteAccess(async () => {
      expect((await resolve({ onFallback: (reason) => reasons.push(reason) })).folder).toBe(folder);
    });
    expect(reasons, 'nothing had to be written').toEqual([]);
  });

  it('serves the older commit when it is read-only and the hub has a newer one', async () => {
    server.put(NAME, readTinyModel());
    const { folder } = await resolve();
    server.put(NAME, { ...readTinyModel(), 'config.json': Buffer.from('{}') });
    const reasons: RunnerError[] = [];
    await withoutWriteAccess(async () => {
      expect((await resolve({ onFallback: (reason) => reasons.push(reason) })).folder).toBe(folder);
    });
    expect(reasons).toMatchObject([{ code: 'MODEL_DOWNLOAD', message: expect.stringContaining(cacheDir) as string }]);
  });

  it('says which folder cannot be written to, and what to do', async () => {
    server.put(NAME, readTinyModel());
    await writeFile(join(home, 'a-file'), '');
    await expect(resolve({ cacheDir: join(home, 'a-file', 'hub') })).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringContaining('HF_HOME') as string,
    });
  });
});

describe('without a network', () => {
  const offline = { offline: true };

  it('the cache is used and the hub is never asked', async () => {
    server.put(NAME, readTinyModel());
    const { folder } = await resolve();
    const before = server.requests.length;
    expect((await resolve({ offline: true })).folder).toBe(folder);
    expect(server.requests).toHaveLength(before);
  });

  it('a model that was never downloaded is named, with the file and the way to get it', async () => {
    await expect(resolve(offline)).rejects.toMatchObject({
      code: 'MODEL_OFFLINE',
      message: expect.stringMatching(
        /onnx\/vision_model\.onnx of Xenova\/siglip-tiny.*clip-runner models pull Xenova\/siglip-tiny/,
      ) as string,
    });
  });

  it('a dtype that was never downloaded is named', async () => {
    server.put(NAME, readTinyModel());
    await resolve();
    await expect(resolve({ ...offline, dtype: 'q8' })).rejects.toMatchObject({
      code: 'MODEL_OFFLINE',
      message: expect.stringContaining('onnx/vision_model_quantized.onnx') as string,
    });
  });

  it('a file with weights that is missing is named', async () => {
    const data = 'onnx/vision_model.onnx_data';
    server.put(NAME, { ...readTinyModel(), [VISION]: EXTERNAL_GRAPH, [data]: Buffer.alloc(8192) });
    const { folder } = await resolve(VISION_ONLY);
    await rm(join(folder, data));
    await expect(resolve({ ...offline, ...VISION_ONLY })).rejects.toMatchObject({
      code: 'MODEL_OFFLINE',
      message: expect.stringContaining(data) as string,
    });
  });

  it('an older commit serves what the newest one lacks', async () => {
    const quantized = { ...readTinyModel(), 'onnx/vision_model_quantized.onnx': readTinyModel()[VISION] };
    server.put(NAME, quantized);
    const older = await resolve({ ...VISION_ONLY, dtype: 'q8' });
    server.put(NAME, { ...quantized, 'config.json': Buffer.from('{}') });
    await resolve(VISION_ONLY);
    expect((await resolve({ ...offline, ...VISION_ONLY, dtype: 'q8' })).folder).toBe(older.folder);
  });

  it('the cache is used when the hub does not answer, and the reason is told', async () => {
    server.put(NAME, readTinyModel());
    const { folder } = await resolve();
    const reasons: RunnerError[] = [];
    await server.close();
    const model = await resolve({ onFallback: (reason) => reasons.push(reason) });
    expect(model.folder).toBe(folder);
    expect(reasons).toMatchObject([{ code: 'MODEL_DOWNLOAD' }]);
  });

  it('the older commit is used when the newer one breaks off', async () => {
    server.put(NAME, readTinyModel());
    const { folder } = await resolve();
    const changed = server.put(NAME, {
      ...readTinyModel(),
      [VISION]: Buffer.concat([readTinyModel()[VISION], paddingField(10)]),
    });
    server.fault({ match: hashOf(changed), times: 99, kind: { do: 'drop', afterBytes: 0 } });
    expect((await resolve()).folder).toBe(folder);
    expect(await readFile(cache('refs', 'main'), 'utf8')).toBe(folder.split('/').at(-1));
    expect((await resolve(offline)).folder).toBe(folder);
  });

  it('a hub that does not answer is an error when nothing is cached', async () => {
    await server.close();
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });
});

describe('access', () => {
  it('security 9: is asked for with the token, which the content network never sees', async () => {
    server.put(NAME, readTinyModel(), { token: TOKEN, gated: true });
    await expectWhole(await resolve({ token: TOKEN }));
    const sent = (host: string): boolean[] =>
      server.requests
        .filter((request) => request.host === host)
        .map(({ headers }) => headers.authorization === `Bearer ${TOKEN}`);
    expect(sent('hub').every(Boolean)).toBe(true);
    expect(sent('cdn').length).toBeGreaterThan(0);
    expect(sent('cdn').some(Boolean)).toBe(false);
    expect(JSON.stringify(server.requests.filter(({ host }) => host === 'cdn'))).not.toContain(TOKEN);
  });

  it('to a gated model fails with the way to get it', async () => {
    server.put(NAME, readTinyModel(), { token: TOKEN, gated: true });
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringMatching(/gated: accept its terms at .*HF_TOKEN/) as string,
    });
  });

  it('to a model that does not exist, or is private, says both, and no secret', async () => {
    const error = await resolve({ token: TOKEN }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringMatching(/no such repository, or the token/) as string,
    });
    expect(String(error)).not.toContain(TOKEN);
  });

  it('is not tried again where that cannot help', async () => {
    await expect(resolve()).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' });
    expect(server.requests).toHaveLength(1);
  });

  it('goes through a mirror, and stays there for further pages of a listing', async () => {
    // Some mirrors pass on the links of the hub that they mirror.
    server.put('Xenova/mirrored', readTinyModel(), { linkOrigin: 'https://hub.invalid' });
    await resolve({ endpoint: `${server.url}/` }, 'Xenova/mirrored');
    expect(server.requests.some(({ url }) => url.includes('cursor='))).toBe(true);
  });

  it('does not follow a redirect to something else than http', async () => {
    server.put(NAME, readTinyModel());
    server.fault({
      match: '/resolve/',
      kind: { do: 'status', status: 302, headers: { location: 'file:///etc/passwd' } },
    });
    await expect(resolve()).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' });
  });

  it('does not follow redirects without end', async () => {
    server.put(NAME, readTinyModel());
    server.fault({
      match: '/resolve/',
      times: 99,
      kind: { do: 'status', status: 302, headers: { location: `/${NAME}/resolve/main/x` } },
    });
    await expect(resolve()).rejects.toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringContaining('redirected') as string,
    });
  });
});

describe('a local folder', () => {
  it('is used as it is', async () => {
    const model = await resolve({}, TINY_MODEL_FOLDER);
    expect(model).toMatchObject({
      visionFile: join(TINY_MODEL_FOLDER, VISION),
      tokenizerFolder: join(TINY_MODEL_FOLDER, '.'),
    });
    expect(model).not.toHaveProperty('licence');
    expect(server.requests).toHaveLength(0);
  });

  it('may be named by a relative path, with or without a dot', async () => {
    const path = relative(process.cwd(), TINY_MODEL_FOLDER);
    for (const name of [path, `./${path}`])
      expect((await resolve({}, name)).visionFile).toBe(join(TINY_MODEL_FOLDER, VISION));
  });

  it('that does not exist is an error that says what such a folder holds', async () => {
    for (const name of ['./nothing-here', '/nothing/here', '~/nothing-here', '../..']) {
      await expect(resolve({}, name)).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining('onnx/vision_model.onnx') as string,
      });
    }
  });

  it('of immich is understood', async () => {
    const tiny = readTinyModel();
    const folder = join(home, 'immich');
    for (const sub of ['visual', 'textual']) await mkdir(join(folder, sub), { recursive: true });
    await writeFile(join(folder, 'visual/model.onnx'), tiny[VISION]);
    await writeFile(
      join(folder, 'visual/preprocess_cfg.json'),
      JSON.stringify({ size: [224, 224], resize_mode: 'squash' }),
    );
    await writeFile(join(folder, 'textual/model.onnx'), tiny['onnx/text_model.onnx']);
    await writeFile(join(folder, 'textual/tokenizer.json'), tiny['tokenizer.json']);
    expect(await resolve({}, folder)).toMatchObject({
      visionFile: join(folder, 'visual/model.onnx'),
      tokenizerFolder: join(folder, 'textual'),
      preprocess: { mode: 'squash' },
    });
  });

  it('is refused when a graph keeps weights behind a link that leads out of it', async () => {
    const folder = join(home, 'model');
    await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
    await writeFile(join(home, 'secret'), 'secret');
    await writeFile(join(folder, VISION), modelWithWeightsIn('weights'));
    await symlink(join(home, 'secret'), join(folder, 'onnx', 'weights'));
    await expect(resolve({}, folder)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('leads out') as string,
    });
  });

  it('is what a name with odd signs can never become', async () => {
    for (const name of ['a/../b', 'a\\b', 'a/b/c', 'a/b\n', 'just-a-word']) {
      await expect(resolve({}, name)).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    }
    expect(server.requests).toHaveLength(0);
  });
});

/** A graph that adds weights from `vision_model.onnx_data`; written by Python's onnx 1.23. */
const EXTERNAL_GRAPH = Buffer.from(
  'CAk6kAEKDgoBeAoBdxIBeSIDQWRkEgFnKk0IAQiAEBABQgF3aiIKCGxvY2F0aW9uEhZ2aXNpb25fbW9kZWwub25ueF9kYXRhagsKBm9mZnNldBIBMGoOCgZsZW5ndGgSBDgxOTJwAVoVCgF4EhAKDggBEgoKAxIBbgoDCIAQYhUKAXkSEAoOCAESCgoDEgFuCgMIgBBCBAoAEBE=',
  'base64',
);

/** An unknown field that protobuf readers skip: makes an ONNX file larger without changing it. */
function paddingField(bytes: number): Buffer {
  const length = [(bytes % 128) | 0x80, ((bytes >> 7) % 128) | 0x80, ((bytes >> 14) % 128) | 0x80, bytes >> 21];
  return Buffer.concat([Buffer.from([0xfa, 0x3f, ...length]), Buffer.alloc(bytes)]);
}

async function leavePartial(hash: string, bytes: Uint8Array, ageSeconds: number): Promise<string> {
  await mkdir(cache('blobs'), { recursive: true });
  const path = cache('blobs', `${hash}.0badcafe.partial`);
  await writeFile(path, bytes);
  const at = Date.now() / 1000 - ageSeconds;
  await utimes(path, at, at);
  return path;
}

/** Bytes of the one partial file; 0 while there is none, or while it is just being renamed. */
async function partialBytes(): Promise<number> {
  const names = (await readdir(cache('blobs')).catch(() => [])).filter((name) => name.endsWith('.partial'));
  if (names.length !== 1) return 0;
  return stat(cache('blobs', names[0]!)).then(
    ({ size }) => size,
    () => 0,
  );
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Runs an action that may not write to the cache. Root may write anywhere, so it becomes nobody meanwhile. */
async function withoutWriteAccess(action: () => Promise<void>): Promise<void> {
  const paths = ['.', ...(await readdir(cacheDir, { recursive: true }))].map((path) => join(cacheDir, path));
  const folders: string[] = [];
  for (const path of paths) if ((await stat(path)).isDirectory()) folders.push(path);
  await chmod(home, 0o755);
  for (const folder of folders) await chmod(folder, 0o555);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await expect(writeFile(join(cacheDir, 'x'), ''), 'the cache is read-only').rejects.toThrow('EACCES');
    await action();
  } finally {
    if (isRoot) process.seteuid?.(0);
    for (const folder of folders) await chmod(folder, 0o755);
  }
}
