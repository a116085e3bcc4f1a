import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { startHubServer, type HubRepository, type HubServer } from '../support/hub-server.js';
import { value, writeJointModel } from '../support/joint-model.js';
import { MARKER, MARKER_BATCHED, MARKER_OPENCV } from '../support/marked-picture.js';
import { putCommit } from '../support/model-cache.js';
import { model } from '../support/onnx-bytes.js';
import { Program, plainEnvironment, type Ending } from '../support/program.js';
import { readTinyModel, TINY_MODEL_FOLDER } from '../support/tiny-model.js';
import { until } from '../support/until.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const NAME = 'Xenova/siglip-tiny';
const VISION = 'onnx/vision_model.onnx';
const COMMIT = 'a'.repeat(40);
const TOKEN = 'hf_nobody-may-see-this';

let home: string;
let server: HubServer;
const started: CommandProcess[] = [];
beforeEach(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'models-command-')));
  server = await startHubServer();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await server.close();
  await rm(home, { recursive: true, force: true });
});

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    HF_HOME: home,
    HF_ENDPOINT: server.url,
    HF_TOKEN: TOKEN,
    CLIP_MODELS: `tiny=${NAME}`,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_DEVICE: 'cpu',
    ...more,
  };
}

/** Starts `clip-runner models …` in a folder without a `.env`. */
function start(args: readonly string[], env?: Readonly<Record<string, string>>): CommandProcess {
  const command = new CommandProcess(['models', ...args], environment(env), home);
  started.push(command);
  return command;
}

async function models(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ending> {
  const { child } = start(args, env);
  const command = started.at(-1)!;
  await new Promise((resolve) => child.once('close', resolve));
  const { stdout, stderr } = command;
  expect(stdout + stderr, 'the token is not shown').not.toContain(TOKEN);
  return { ended: await command.ended(), stdout, stderr };
}

const cache = (...path: readonly string[]): string => join(home, 'hub', 'models--Xenova--siglip-tiny', ...path);
const hashOf = (repository: HubRepository, path = VISION): string => repository.files.get(path)!.hash;

/** The `Range` headers of requests for large files; undefined for whole ones. */
const ranges = (): readonly (string | undefined)[] =>
  server.requests.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);

/** Whether a part of a file with so many bytes lies in the cache. */
async function hasPart(bytes: number): Promise<boolean> {
  const names = (await readdir(cache('blobs')).catch(() => [])).filter((name) => name.endsWith('.partial'));
  const sizes = await Promise.all(
    names.map((name) =>
      stat(cache('blobs', name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.includes(bytes);
}

interface Listed {
  readonly models: readonly Readonly<Record<string, unknown>>[];
}

describe('clip-runner models pull', () => {
  it('downloads the configured model and tells where it lies, its size and its licence', async () => {
    const { commit } = server.put(NAME, readTinyModel(), { token: TOKEN, gated: true });
    const { ended, stdout, stderr } = await models(['pull']);
    expect({ ended, stderr }).toMatchObject({ ended: 0 });
    expect(stderr).toContain(`hub: ${server.url}`);
    expect(stderr).toContain('"msg":"downloading"');
    const [, row] = stdout.split('\n');
    const bytes = Object.values(readTinyModel()).reduce((sum, { length }) => sum + length, 40);
    expect(row?.split(/ {2,}/)).toEqual([
      NAME,
      'clip',
      'tiny',
      'fp32',
      bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} kB`,
      'Apache-2.0',
      commit.slice(0, 7),
      cache('snapshots', commit),
    ]);
    for (const [path, content] of Object.entries(readTinyModel()))
      expect((await readFile(cache('snapshots', commit, path))).equals(content), path).toBe(true);
  });

  it('takes names, a dtype, and leaves the text side out when told to', async () => {
    const tiny = readTinyModel();
    server.put('Xenova/clip-vit-base-patch32', { ...tiny, 'onnx/vision_model_fp16.onnx': tiny[VISION] });
    const args = ['pull', 'openai/clip-vit-base-patch32', '--dtype', 'fp16'];
    expect(await models([...args, '--text'])).toMatchObject({ ended: 2 });
    const { ended, stdout } = await models([...args, '--no-text']);
    expect(ended).toBe(0);
    expect(stdout).toMatch(/openai\/clip-vit-base-patch32 +clip .*fp16 \(pictures only\).*MIT/);
    expect(server.requests.some(({ url }) => /onnx\/(text_model|vision_model)\.onnx$/.test(url))).toBe(false);
  });

  it('goes on where the connection broke', async () => {
    server.put(NAME, readTinyModel());
    // A client that is late would lose what it has received and not yet read.
    const when = (): Promise<void> => until('the part is there', () => hasPart(300_000), 60_000);
    server.fault({ match: '/blobs/', kind: { do: 'drop', afterBytes: 300_000, when } });
    expect(await models(['pull', '--no-text'])).toMatchObject({ ended: 0 });
    expect(ranges()).toEqual([undefined, 'bytes=300000-']);
  });

  it('goes on at once with what a killed process has left', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'stall', afterBytes: 300_000 } });
    const killed = start(['pull', '--no-text']);
    await until('the part is there', () => hasPart(300_000), 60_000);
    expect(await killed.kill('SIGKILL')).toBe('SIGKILL');
    expect(await models(['pull', '--no-text'])).toMatchObject({ ended: 0 });
    expect(ranges()).toEqual([undefined, 'bytes=300000-']);
    expect((await readdir(cache('blobs'))).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('stops at Ctrl-C, says that what came is kept, and goes on from there', async () => {
    server.put(NAME, readTinyModel());
    server.fault({ match: '/blobs/', kind: { do: 'stall', afterBytes: 400_000 } });
    const command = start(['pull', '--no-text']);
    await until('the part is there', () => hasPart(400_000), 60_000);
    expect(await command.kill('SIGINT')).toBe(1);
    expect(command.stderr).toContain('stopped. What came is kept');
    expect((await models(['list'])).stdout).toContain('400 kB of an unfinished download');
    expect(await models(['pull', '--no-text'])).toMatchObject({ ended: 0 });
    expect(ranges()).toEqual([undefined, 'bytes=400000-']);
  });

  it.skipIf(spawnSync('unshare', ['-rm', 'true']).status !== 0)('names a disk that is full', async () => {
    server.put(NAME, readTinyModel());
    const mount = `mount -t tmpfs -o size=300k tmpfs "$HF_HOME" && exec "$0" "$@"`;
    const command = [process.execPath, CLI, 'models', 'pull'];
    const env = plainEnvironment(environment());
    const ending = await new Program('unshare', ['-rm', 'sh', '-c', mount, ...command], { env, cwd: '/' }).end();
    expect(ending).toMatchObject({ ended: 1, stdout: '' });
    expect(ending.stderr).toMatch(/cache .* can't be written to \(ENOSPC\)\. Make room there, or set HF_HOME/);
  });

  it.skipIf(spawnSync('script', ['--version']).status !== 0)('draws a bar on a terminal', async () => {
    server.put(NAME, readTinyModel());
    const env = plainEnvironment(environment({ COLUMNS: '120' }));
    const command = `stty cols 120; '${process.execPath}' '${CLI}' models pull`;
    const { stdout } = await new Program('script', ['-qec', command, '/dev/null'], { env, cwd: home }).end();
    expect(stdout).toMatch(/\[={20}\] 100 % .* of .* onnx\/vision_model\.onnx/);
    expect(stdout).not.toContain('"msg"');
  });

  it('names a model that the hub does not have, and exits with 1', async () => {
    const { ended, stdout, stderr } = await models(['pull', 'Xenova/none']);
    expect({ ended, stdout }).toEqual({ ended: 1, stdout: '' });
    expect(stderr).toContain('clip-runner: ');
    expect(stderr).toContain('Xenova/none');
  });
});

describe('offline', () => {
  const offline = { HF_HUB_OFFLINE: '1' };

  it('pull refuses with exit code 2 unless everything is there; no command asks the network', async () => {
    const { commit } = server.put(NAME, readTinyModel());
    const refused = await models(['pull'], offline);
    expect(refused).toMatchObject({ ended: 2, stdout: '' });
    expect(refused.stderr).toMatch(/Downloads are off \(HF_HUB_OFFLINE\): run "clip-runner models pull/);
    expect(server.requests).toEqual([]);

    await models(['pull']);
    const before = server.requests.length;
    expect(await models(['pull'], offline)).toMatchObject({ ended: 0 });
    const config = await realpath(cache('snapshots', commit, 'config.json'));
    await writeFile(config, 'damaged');
    expect(await models(['verify', '--repair'], offline)).toMatchObject({ ended: 2, stdout: '' });
    expect(await readFile(config, 'utf8'), 'what could not be replaced is left').toBe('damaged');
    await writeFile(config, readTinyModel()['config.json']);
    for (const args of [['list'], ['verify'], ['remove', NAME, '--yes']])
      expect(await models(args, offline), args.join(' ')).toMatchObject({ ended: 0 });
    expect(server.requests).toHaveLength(before);
  });

  it('a copy of HF_HOME works on a machine without network', async () => {
    server.put(NAME, readTinyModel());
    await models(['pull']);
    await server.close();
    const copy = join(home, 'copy');
    await mkdir(copy);
    await cp(join(home, 'hub'), join(copy, 'hub'), { recursive: true, verbatimSymlinks: true });
    await rm(join(home, 'hub'), { recursive: true });
    const { ended, stdout } = await models(['verify'], { ...offline, HF_HOME: copy });
    expect(stdout).toContain(`good   ${NAME}  fp32 on cpu; 64 numbers; pictures and texts; 7 files`);
    expect(ended).toBe(0);
  });
});

describe('clip-runner models list', () => {
  it('lists what is configured and what else the cache holds, and asks nothing from the network', async () => {
    server.put('Xenova/siglip-other', readTinyModel());
    await models(['pull', 'Xenova/siglip-other']);
    await putCommit(join(home, 'hub'), 'google/bert', 'a'.repeat(40), { 'model.safetensors': Buffer.from('x') });
    const before = server.requests.length;
    const configured = { CLIP_MODELS: `tiny=${NAME},mine=${TINY_MODEL_FOLDER},gone=./gone` };
    const { stdout, ended } = await models(['list', '--json'], configured);
    expect(ended).toBe(0);
    const listing = JSON.parse(stdout) as Listed;
    expect(listing).toMatchObject({ cacheDir: join(home, 'hub'), endpoint: server.url, offline: false });
    const variants = [{ dtype: 'fp32', sides: ['vision', 'text'] }];
    expect(listing.models).toMatchObject([
      {
        name: NAME,
        labels: ['tiny'],
        variants: [],
        missing: `no fp32 here: clip-runner models pull ${NAME} --dtype fp32`,
      },
      { name: TINY_MODEL_FOLDER, labels: ['mine'], variants, folder: TINY_MODEL_FOLDER.replace(/\/$/, '') },
      { name: './gone', labels: ['gone'], variants: [], missing: 'no model in this folder' },
      { name: 'Xenova/siglip-other', labels: [], variants, licence: 'Apache-2.0', kind: 'clip' },
    ]);
    expect(listing.models[1]).not.toHaveProperty('repository');
    const { stdout: table } = await models(['list'], configured);
    expect(table).toMatch(new RegExp(`^${NAME} .*MISSING: no fp32 here: clip-runner models pull ${NAME}`, 'm'));
    expect(table).toContain(`hub: ${server.url}`);
    expect(table).not.toContain('bert');
    expect(server.requests).toHaveLength(before);
  });
});

describe('a folder of the cache that can not be read', () => {
  it('is a line of the list, and the rest is listed', async () => {
    await putCommit(join(home, 'hub'), 'Xenova/siglip-other', COMMIT, readTinyModel());
    for (const name of ['models--Xenova--siglip-loop', 'models--Xenova--siglip-tiny']) {
      await mkdir(join(home, 'hub', name));
      // A link to itself: reading it fails for everyone, whatever his rights.
      await symlink('snapshots', join(home, 'hub', name, 'snapshots'));
    }
    await writeFile(join(home, 'hub', 'models--Xenova--siglip-file'), 'no folder');
    const { ended, stdout } = await models(['list']);
    expect(ended).toBe(0);
    expect(stdout).toMatch(/^Xenova\/siglip-tiny .*MISSING: the folder can't be read \(ELOOP\)/m);
    expect(stdout).toMatch(/^Xenova\/siglip-other .*fp32/m);
    expect(stdout).toMatch(/^can't be read, left out: .*models--Xenova--siglip-loop \(ELOOP\)$/m);
    const listing = JSON.parse((await models(['list', '--json'])).stdout) as { readonly unreadable: unknown };
    expect(listing.unreadable).toContainEqual({
      folder: join(home, 'hub', 'models--Xenova--siglip-loop'),
      reason: 'ELOOP',
    });
  });
});

describe('face models', () => {
  const YUNET = 'face_detection_yunet_2023mar.onnx';
  const SFACE = 'face_recognition_sface_2021dec.onnx';
  const faceFile = (path: string): Promise<Buffer> => readFile(join(MARKER, path));
  const face = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    HOME: home,
    FACE_MODEL_NAME: 'buffalo_l',
    PROCESSING_FACE_EMBEDDING_DIM: '0',
    ...more,
  });
  const putPack = async (id = 'immich-app/buffalo_l'): Promise<HubRepository> =>
    server.put(id, {
      'detection/model.onnx': await faceFile('detection/model.onnx'),
      'recognition/model.onnx': await faceFile('recognition/model.onnx'),
    });
  const packFolder = (...path: readonly string[]): string =>
    join(home, 'hub', 'models--immich-app--buffalo_l', ...path);

  it('are pulled, listed with what their licence allows, verified and removed', async () => {
    const { commit } = await putPack();
    const row = /^buffalo_l +face +arcface-buffalo_l +fp32 +[\d.]+ kB +non-commercial research only +\w{7} +(.*)$/m;
    const pulled = await models(['pull', 'buffalo_l'], face());
    expect(pulled).toMatchObject({ ended: 0 });
    expect(row.exec(pulled.stdout)?.[1]).toBe(packFolder('snapshots', commit));
    expect(row.exec((await models(['list'], face())).stdout)?.[1]).toBe(packFolder('snapshots', commit));
    // Unnamed it is listed all the same, as it is what the command would take.
    expect((await models(['list'], { HOME: home })).stdout).toMatch(row);
    expect((await models(['list'], { HOME: home, FACE_ENABLED: '0' })).stdout).toMatch(
      /^immich-app\/buffalo_l +face +- +fp32 .*non-commercial research only/m,
    );
    const verified = await models(['verify', 'buffalo_l'], face());
    expect(verified).toMatchObject({ ended: 0 });
    expect(verified.stdout).toMatch(/^good {3}buffalo_l {2}fp32 on cpu; \d+ numbers; detector and recogniser; 2 files/);
    expect(await models(['remove', 'buffalo_l', '--yes'], face())).toMatchObject({ ended: 0 });
    expect(await readdir(join(home, 'hub'))).toEqual([]);
    expect((await models(['list'], face())).stdout).toMatch(
      /^buffalo_l .*MISSING: not all of it is here: clip-runner models pull buffalo_l$/m,
    );
    expect(await models(['verify', 'buffalo_l'], face())).toMatchObject({
      ended: 1,
      stdout: expect.stringContaining('MODEL_NOT_FOUND') as string,
    });
  });

  it('are not pulled unasked', async () => {
    server.put(NAME, readTinyModel());
    await putPack();
    await models(['pull'], { HOME: home });
    expect(await readdir(join(home, 'hub'))).toEqual(['models--Xenova--siglip-tiny']);
    await models(['pull'], { HOME: home, FACE_ENABLED: '1' });
    expect((await readdir(join(home, 'hub'))).sort()).toContain('models--immich-app--buffalo_l');
  });

  it('that are damaged are found by their hash, not loaded, and repaired', async () => {
    const { commit } = await putPack();
    await models(['pull', 'buffalo_l'], face());
    const blob = await realpath(packFolder('snapshots', commit, 'detection', 'model.onnx'));
    await writeFile(blob, 'no graph');
    const { ended, stdout } = await models(['verify', 'buffalo_l'], face());
    expect(ended).toBe(1);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^wrong {2}buffalo_l {2}MODEL_CORRUPT: detection\/model\.onnx .*verify buffalo_l --repair/),
    ]);
    expect((await models(['list'], face())).stdout).toMatch(/^buffalo_l .*fp32 \(recogniser only\).*MISSING/m);
    expect(await models(['verify', 'buffalo_l', '--repair'], face())).toMatchObject({ ended: 0 });
  });

  it('of two repositories have a row for each, and go together', async () => {
    const read = (name: string): Promise<Buffer> => readFile(join(MARKER_OPENCV, name));
    server.put('opencv/face_detection_yunet', { [YUNET]: await read(YUNET) });
    server.put('opencv/face_recognition_sface', { [SFACE]: await read(SFACE) });
    const { ended, stdout } = await models(['pull', 'yunet-sface'], { HOME: home });
    expect(ended).toBe(0);
    expect(stdout).toMatch(
      /^yunet-sface +face .*fp32 \(detector only\) .*MIT AND Apache-2\.0 .*opencv--face_detection_yunet/m,
    );
    expect(stdout).toMatch(/^yunet-sface +face .*fp32 \(recogniser only\) .*opencv--face_recognition_sface/m);
    expect(stdout).not.toContain('MISSING');
    const env = { HOME: home, PROCESSING_FACE_EMBEDDING_DIM: '0' };
    expect(await models(['verify', 'yunet-sface'], env)).toMatchObject({
      ended: 0,
      stdout: expect.stringContaining('; 2 files') as string,
    });
    expect(await models(['remove', 'yunet-sface', '--yes'], env)).toMatchObject({ ended: 0 });
    expect(await readdir(join(home, 'hub'))).toEqual([]);
  });

  it('may lie in a folder, or where insightface keeps them; neither is removed', async () => {
    const own = join(home, '.insightface', 'models', 'buffalo_s');
    await cp(MARKER_BATCHED, own, { recursive: true });
    const env = face({ FACE_MODEL_NAME: 'buffalo_s' });
    expect((await models(['list'], env)).stdout).toMatch(
      new RegExp(`^buffalo_s +face .*fp32 .*non-commercial research only +- +${own}$`, 'm'),
    );
    expect(await models(['verify', 'buffalo_s', MARKER], env)).toMatchObject({ ended: 0 });
    const refused = await models(['remove', 'buffalo_s', '--yes'], env);
    expect(refused).toMatchObject({ ended: 2, stderr: expect.stringContaining(`${own}, not in the cache`) as string });
    expect(await readdir(own)).toHaveLength(2);
  });

  it('are not taken for those of a reader of texts, which has the same names', async () => {
    // One output, a map of where letters are.
    const map = model([11, value('x', 1, ['n', 3, 8, 8])], [12, value('map', 1, ['n', 1, 8, 8])]);
    const letters = model([11, value('x', 1, ['n', 3, 8, 8])], [12, value('letters', 1, ['n', 't', 97])]);
    await putCommit(join(home, 'hub'), 'immich-app/PP-OCRv5_mobile', COMMIT, {
      'detection/model.onnx': map,
      'recognition/model.onnx': letters,
    });
    const { stdout } = await models(['list', '--json'], { HOME: home });
    expect((JSON.parse(stdout) as Listed).models.map(({ name }) => name)).toEqual([NAME]);
  });
});

describe('clip-runner models verify', () => {
  it('loads each model and tells its device and dimension', async () => {
    server.put(NAME, readTinyModel());
    await models(['pull']);
    const before = server.requests.length;
    const { ended, stdout } = await models(['verify', '--json']);
    expect(ended).toBe(0);
    expect((JSON.parse(stdout) as Listed).models).toMatchObject([
      {
        name: NAME,
        label: 'tiny',
        isGood: true,
        findings: [],
        device: 'cpu',
        dimension: 64,
        sides: ['vision', 'text'],
        files: 7,
      },
    ]);
    expect(server.requests).toHaveLength(before);
  });

  it('finds each damaged file by its hash, does not load it, and repairs just those', async () => {
    const repository = server.put(NAME, readTinyModel());
    await models(['pull']);
    for (const path of [VISION, 'preprocessor_config.json']) {
      const bytes = readTinyModel()[path as typeof VISION];
      bytes.writeUInt8(bytes.readUInt8(0) ^ 0xff, 0);
      await writeFile(cache('blobs', hashOf(repository, path)), bytes);
    }
    const { ended, stdout } = await models(['verify']);
    expect(ended).toBe(1);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/^wrong .* MODEL_CORRUPT: .*hash differs.*models verify Xenova\/siglip-tiny --repair/);
    // A file that has its length is not downloaded by itself.
    await models(['pull']);
    expect(await models(['verify'])).toMatchObject({ ended: 1 });

    const before = server.requests.length;
    expect(await models(['verify', '--repair'])).toMatchObject({ ended: 0 });
    const fetched = server.requests.slice(before).filter(({ url }) => url.includes('/resolve/'));
    expect(fetched.map(({ url }) => url.split('/').at(-1)).sort()).toEqual([
      'preprocessor_config.json',
      'vision_model.onnx',
    ]);
    expect(await models(['verify'])).toMatchObject({ ended: 0 });
  });

  /** Spoils a byte of a file in the cache, and answers its blob. */
  async function damage(commit: string, path: string): Promise<string> {
    const blob = await realpath(cache('snapshots', commit, path));
    const bytes = await readFile(blob);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 0xff, bytes.length - 1);
    await writeFile(blob, bytes);
    return blob;
  }
  const fetchedSince = (before: number): readonly (string | undefined)[] =>
    server.requests
      .slice(before)
      .filter(({ url }) => url.includes('/resolve/'))
      .map(({ url }) => url.split('/').at(-1))
      .sort();
  /** The same model in a second dtype. */
  const withFp16 = (): Record<string, Buffer> => {
    const tiny = readTinyModel();
    const other = Buffer.concat([tiny[VISION], Buffer.from([0xfa, 0x06, 0])]);
    return { ...tiny, 'onnx/vision_model_fp16.onnx': other };
  };

  it('repairs damaged files of other dtypes, of the very commit that is there', async () => {
    const { commit } = server.put(NAME, withFp16());
    await models(['pull']);
    await models(['pull', '--dtype', 'fp16', '--no-text']);
    server.put(NAME, { ...withFp16(), 'onnx/vision_model_fp16.onnx': Buffer.from('a later one') });
    await damage(commit, 'onnx/vision_model_fp16.onnx');
    expect(await models(['verify'])).toMatchObject({ ended: 1 });
    const before = server.requests.length;
    expect(await models(['verify', '--repair'])).toMatchObject({ ended: 0 });
    expect(fetchedSince(before)).toEqual(['vision_model_fp16.onnx']);
    expect(await readdir(cache('snapshots'))).toEqual([commit]);
    expect(await models(['list'])).toMatchObject({ stdout: expect.stringMatching(/fp32, fp16/) as string });
  });

  it('repairs a cache of texts alone without fetching the side of the pictures', async () => {
    const tiny = readTinyModel();
    const { commit } = server.put(NAME, tiny);
    const texts = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/text_model.onnx'] as const;
    const files = Object.fromEntries(texts.map((path) => [path, tiny[path]]));
    await putCommit(join(home, 'hub'), NAME, commit, files);
    // Blobs have the names that the hub lists: the small ones those of git.
    for (const path of texts) {
      const blob = cache('blobs', server.put(NAME, tiny).files.get(path)!.hash);
      await rename(await realpath(cache('snapshots', commit, path)), blob);
      await rm(cache('snapshots', commit, path));
      await symlink(blob, cache('snapshots', commit, path));
    }
    await damage(commit, 'tokenizer.json');
    const before = server.requests.length;
    const { ended, stdout } = await models(['verify', '--repair']);
    expect({ ended, stdout }).toMatchObject({
      ended: 0,
      stdout: expect.stringContaining('; texts; 4 files') as string,
    });
    expect(fetchedSince(before)).toEqual(['tokenizer.json']);
  });

  it('judges on where a repair fails, leaves the old file, and says both', async () => {
    const { commit } = server.put(NAME, readTinyModel());
    server.put('Xenova/siglip-other', readTinyModel());
    const configured = { CLIP_MODELS: `tiny=${NAME},other=Xenova/siglip-other` };
    await models(['pull'], configured);
    const [vision, config] = [await damage(commit, VISION), await damage(commit, 'config.json')];
    const damaged = await readFile(vision);
    server.fault({ match: `/resolve/${commit}/${VISION}`, times: 99, kind: { do: 'status', status: 404 } });
    const { ended, stdout } = await models(['verify', '--repair'], configured);
    expect(ended).toBe(1);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^wrong {2}Xenova\/siglip-tiny {2}MODEL_CORRUPT: onnx\/vision_model\.onnx is not/),
      expect.stringMatching(/^wrong {2}Xenova\/siglip-tiny {2}MODEL_NOT_FOUND: /),
      expect.stringMatching(/^good {3}Xenova\/siglip-other/),
    ]);
    expect((await readFile(vision)).equals(damaged)).toBe(true);
    // The other file was mended all the same.
    expect((await readFile(config)).equals(readTinyModel()['config.json'])).toBe(true);
  });

  it('keeps the old file when the new one does not come whole', async () => {
    const { commit } = server.put(NAME, readTinyModel());
    await models(['pull']);
    const blob = await damage(commit, VISION);
    const damaged = await readFile(blob);
    server.fault({ match: '/blobs/', times: 99, kind: { do: 'corrupt' } });
    const { ended, stdout } = await models(['verify', '--repair']);
    expect(ended).toBe(1);
    expect(stdout).toMatch(/MODEL_CORRUPT: .*is not what the hub lists/);
    expect((await readFile(blob)).equals(damaged)).toBe(true);
    expect((await readdir(cache('blobs'))).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it.each(['repository', 'folder'])('finds a damaged cut of a joint graph of a %s, and cuts it again', async (kind) => {
    const folder = writeJointModel(join(home, 'joint'));
    const read = (path: string): Promise<Buffer> => readFile(join(folder, path));
    const paths = ['config.json', 'preprocessor_config.json', 'tokenizer.json', 'onnx/model.onnx'];
    const files = await Promise.all(paths.map(async (path) => [path, await read(path)] as const));
    server.put('somebody/joint', Object.fromEntries(files));
    const name = kind === 'folder' ? folder : 'somebody/joint';
    const env = { CLIP_MODELS: `joint=${name}`, PROCESSING_EMBEDDING_DIM: '20' };
    if (kind === 'repository') await models(['pull'], env);
    expect(await models(['verify'], env)).toMatchObject({ ended: 0 });
    const cut = (await readdir(join(home, 'hub'), { recursive: true })).find((path) =>
      path.endsWith('vision/vision_model.onnx'),
    )!;
    const file = join(home, 'hub', cut);
    const bytes = await readFile(file);
    const spoilt = Buffer.from(bytes);
    spoilt.writeUInt8(spoilt.readUInt8(bytes.length - 9) ^ 0xff, bytes.length - 9);
    await writeFile(file, spoilt);
    const { ended, stdout } = await models(['verify'], env);
    expect(ended).toBe(1);
    expect(stdout.trim().split('\n')).toEqual([expect.stringMatching(/MODEL_CORRUPT: .*\/vision, cut from a graph/)]);
    expect(await models(['verify', '--repair'], env)).toMatchObject({ ended: 0 });
    expect((await readFile(file)).equals(bytes)).toBe(true);
  });

  it.each([
    ['a length that the server does not take', { PROCESSING_EMBEDDING_DIM: '768' }, 'MODEL_WRONG_LENGTH'],
    ['a dtype that is not there', { CLIP_DTYPE: 'q8' }, 'MODEL_NOT_FOUND'],
    ['a folder that is not there', { CLIP_MODELS: 'a=./none' }, 'MODEL_NOT_FOUND'],
  ])('exits with 1 and one line for %s', async (_, env, code) => {
    await putCommit(join(home, 'hub'), NAME, COMMIT, readTinyModel());
    const { ended, stdout } = await models(['verify'], env);
    expect(ended).toBe(1);
    expect(stdout.trim().split('\n')).toEqual([expect.stringContaining(`${code}: `)]);
  });

  it('checks local folders, though nobody listed their hashes, and looks at each model', async () => {
    const broken = {
      [VISION]: 'not a graph',
      'preprocessor_config.json': '{',
      'tokenizer.json': '{}',
    };
    const folders = [TINY_MODEL_FOLDER];
    for (const [path, content] of Object.entries(broken)) {
      const folder = join(home, `model-${folders.length}`);
      await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
      await writeFile(join(folder, path), content);
      folders.push(folder);
    }
    const { ended, stdout } = await models(['verify', ...folders]);
    expect(ended).toBe(1);
    const words = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(0, 3));
    expect(words).toEqual([
      ['good', TINY_MODEL_FOLDER, expect.stringContaining('64 numbers')],
      ...folders.slice(1).map((folder) => ['wrong', folder, expect.stringMatching(/^MODEL_INVALID: /) as string]),
    ]);
  });
});

describe('clip-runner models remove', () => {
  beforeEach(() => putCommit(join(home, 'hub'), NAME, COMMIT, readTinyModel()));

  it('asks for --yes where there is no terminal, and removes nothing', async () => {
    const { ended, stderr } = await models(['remove', 'tiny']);
    expect(ended).toBe(2);
    expect(stderr).toContain('--yes');
    expect(await readdir(cache('blobs'))).toHaveLength(7);
  });

  it('shows what it would remove with --dry-run, and removes it with --yes, by label', async () => {
    const dry = await models(['remove', 'tiny', '--dry-run']);
    expect(dry).toMatchObject({
      ended: 0,
      stdout: expect.stringContaining(`${cache('blobs')}\n${cache()}\n`) as string,
    });
    expect(await readdir(cache('snapshots'))).toHaveLength(1);
    const { ended, stdout } = await models(['remove', 'tiny', '--yes']);
    expect({ ended, stdout }).toMatchObject({
      ended: 0,
      stdout: expect.stringMatching(/^removed Xenova\/siglip-tiny: /) as string,
    });
    expect(await readdir(join(home, 'hub'))).toEqual([]);
    expect(await models(['remove', 'tiny', '--yes'])).toMatchObject({ ended: 2, stdout: '' });
  });

  it('removes only older commits with --old', async () => {
    const newer = 'b'.repeat(40);
    await putCommit(join(home, 'hub'), NAME, newer, { ...readTinyModel(), 'config.json': Buffer.from('{}') });
    expect((await models(['list'])).stdout).toContain('1 older commit');
    expect(await models(['remove', NAME, '--old', '--yes'])).toMatchObject({ ended: 0 });
    expect(await readdir(cache('snapshots'))).toEqual([newer]);
    expect(await models(['verify'])).toMatchObject({ ended: 0 });
  });

  it('refuses what is not ours: other repositories, folders of the user', async () => {
    await putCommit(join(home, 'hub'), 'google/bert', 'a'.repeat(40), { 'model.safetensors': Buffer.from('x') });
    const folder = join(home, 'model');
    await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
    for (const name of ['google/bert', folder, '../hub', 'a/../b'])
      expect(await models(['remove', NAME, name, '--yes']), name).toMatchObject({ ended: 2, stdout: '' });
    expect((await readdir(join(home, 'hub'))).sort()).toEqual(['models--Xenova--siglip-tiny', 'models--google--bert']);
    expect(await readdir(folder)).toContain('onnx');
    expect((await models(['remove', folder, '--yes'])).stderr).toContain('is a folder of your own');
  });

  it('refuses while the model is being downloaded', async () => {
    const changed = server.put(NAME, {
      ...readTinyModel(),
      [VISION]: Buffer.concat([readTinyModel()[VISION], Buffer.alloc(9)]),
    });
    server.fault({ match: hashOf(changed), kind: { do: 'stall', afterBytes: 300_000 } });
    const pull = start(['pull', '--no-text']);
    await until('the part is there', () => hasPart(300_000), 60_000);
    const { ended, stderr } = await models(['remove', NAME, '--yes']);
    expect(ended).toBe(1);
    expect(stderr).toContain('is being downloaded just now');
    await pull.kill('SIGKILL');
    expect(await models(['remove', NAME, '--yes'])).toMatchObject({ ended: 0 });
  });

  it.skipIf(spawnSync('script', ['--version']).status !== 0).each([
    ['y', true],
    ['n', false],
    ['\u0003', false],
  ])('asks on a terminal; the answer %j counts', async (answer, isRemoved) => {
    const env = plainEnvironment(environment());
    const command = `'${process.execPath}' '${CLI}' models remove tiny`;
    const program = new Program('script', ['-qec', command, '/dev/null'], { env, cwd: home, stdin: 'pipe' });
    await program.prints(/Remove\? \[y\/N\]/);
    program.child.stdin!.write(`${answer}\n`);
    const { ended, stdout } = await program.end();
    expect(ended).toBe(isRemoved ? 0 : 1);
    expect(stdout).toContain(isRemoved ? 'removed Xenova/siglip-tiny' : 'Nothing was removed.');
    expect(await readdir(join(home, 'hub'))).toHaveLength(isRemoved ? 0 : 1);
  });
});
