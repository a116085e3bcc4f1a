import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listCachedModels, readCachedModel, type CachedModel } from '../../../src/models/cached-models.js';
import { newOwner } from '../../../src/partial-owner.js';
import { planRemoval, planRemovalOfOld, removePlanned } from '../../../src/models/removal.js';
import { parseRepository } from '../../../src/models/repository.js';
import { putCommit } from '../../support/model-cache.js';
import { readTinyModel } from '../../support/tiny-model.js';

const NAME = 'Xenova/siglip-tiny';
const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);
const VISION = 'onnx/vision_model.onnx';

let home: string;
let cacheDir: string;
beforeEach(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'cached-models-')));
  cacheDir = join(home, 'hub');
  await mkdir(cacheDir);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const read = async (name = NAME): Promise<CachedModel | undefined> => readCachedModel(cacheDir, parseRepository(name));
const sum = (...files: readonly Uint8Array[]): number => files.reduce((total, { length }) => total + length, 0);
const blobs = async (folder: string): Promise<number> => (await readdir(join(folder, 'blobs'))).length;

describe('what the cache holds', () => {
  it('is nothing where there is no cache', async () => {
    expect(await listCachedModels(join(home, 'none'))).toEqual([]);
  });

  it('is told with variants, commits, size and licence', async () => {
    const tiny = readTinyModel();
    const folder = await putCommit(cacheDir, NAME, NEW, { ...tiny, 'onnx/vision_model_fp16.onnx': tiny[VISION] });
    expect(await listCachedModels(cacheDir)).toEqual([
      {
        kind: 'clip',
        repository: parseRepository(NAME),
        folder,
        variants: [
          { dtype: 'fp32', sides: ['vision', 'text'], commit: NEW },
          { dtype: 'fp16', sides: ['vision'], commit: NEW },
        ],
        commits: [NEW],
        // Two paths of one content are one blob; `refs/main` has forty bytes.
        sizeBytes: sum(...Object.values(tiny)) + 40,
        partialBytes: 0,
        licence: 'Apache-2.0',
      },
    ]);
  });

  it('counts a file of several commits once, and finds each dtype in the newest commit that holds all of it', async () => {
    const tiny = readTinyModel();
    await putCommit(cacheDir, NAME, OLD, { ...tiny, 'onnx/vision_model_int8.onnx': Buffer.from('\n\0') });
    await putCommit(cacheDir, NAME, NEW, { ...tiny, 'config.json': Buffer.from('{}') });
    const model = await read();
    expect(model?.commits).toEqual([NEW, OLD]);
    expect(model?.variants).toEqual([
      { dtype: 'fp32', sides: ['vision', 'text'], commit: NEW },
      { dtype: 'q8', sides: ['vision'], commit: OLD },
    ]);
    const sizeBytes = sum(...Object.values(tiny), Buffer.from('\n\0{}')) + 40;
    expect(model?.sizeBytes).toBe(sizeBytes);
    // Without links there are copies; file systems that can, share their bytes.
    await link(
      join(model!.folder, 'snapshots', NEW, 'config.json'),
      join(model!.folder, 'snapshots', NEW, 'again.json'),
    );
    expect((await read())?.sizeBytes).toBe(sizeBytes);
  });

  it('does not count a side that lacks its blob or its preprocessing', async () => {
    const tiny = readTinyModel();
    const withoutConfig = Object.fromEntries(
      Object.entries(tiny).filter(([path]) => path !== 'preprocessor_config.json'),
    );
    await putCommit(cacheDir, 'Xenova/siglip-a', NEW, withoutConfig);
    const folder = await putCommit(cacheDir, 'Xenova/siglip-b', NEW, tiny);
    const text = await realpath(join(folder, 'snapshots', NEW, 'onnx/text_model.onnx'));
    await rm(text);
    expect((await read('Xenova/siglip-a'))?.variants).toEqual([{ dtype: 'fp32', sides: ['text'], commit: NEW }]);
    expect((await read('Xenova/siglip-b'))?.variants).toEqual([{ dtype: 'fp32', sides: ['vision'], commit: NEW }]);
  });

  it('leaves the repositories of other programs out, and folders that are no repositories', async () => {
    await putCommit(cacheDir, 'google/bert', NEW, {
      'model.safetensors': Buffer.from('x'),
      'config.json': Buffer.from('{}'),
    });
    await mkdir(join(cacheDir, 'models--google--half', 'blobs'), { recursive: true });
    await writeFile(join(cacheDir, 'models--google--half', 'blobs', 'abc.incomplete'), 'x');
    for (const name of ['datasets--a--b', '.locks', 'models--..--..']) await mkdir(join(cacheDir, name));
    expect(await listCachedModels(cacheDir)).toEqual([]);
  });

  it('tells what an unfinished download of ours has left', async () => {
    await mkdir(join(cacheDir, 'models--Xenova--half', 'blobs'), { recursive: true });
    await writeFile(join(cacheDir, 'models--Xenova--half', 'blobs', `${'0'.repeat(64)}.partial`), 'abcde');
    expect(await listCachedModels(cacheDir)).toMatchObject([{ variants: [], partialBytes: 5, sizeBytes: 5 }]);
  });
});

describe('removal', () => {
  it('takes the repository, and nothing beside it', async () => {
    const folder = await putCommit(cacheDir, NAME, NEW, readTinyModel());
    await putCommit(cacheDir, 'Xenova/siglip-other', NEW, readTinyModel());
    const plan = await planRemoval((await read())!);
    expect(plan).toMatchObject({ files: 8, sizeBytes: (await read())!.sizeBytes });
    expect(plan.paths.at(-1)).toBe(folder);
    await removePlanned(plan, cacheDir);
    expect(await readdir(cacheDir)).toEqual(['models--Xenova--siglip-other']);
    expect((await read('Xenova/siglip-other'))?.variants).toHaveLength(1);
  });

  it('that broke off can be done again', async () => {
    const folder = await putCommit(cacheDir, NAME, NEW, readTinyModel());
    for (const name of ['refs', 'snapshots']) await rm(join(folder, name), { recursive: true });
    await removePlanned(await planRemoval((await read())!), cacheDir);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('of older commits keeps the blobs that the newest one shares', async () => {
    const tiny = readTinyModel();
    const folder = await putCommit(cacheDir, NAME, OLD, { ...tiny, 'config.json': Buffer.from('{"old": 1}') });
    await mkdir(join(folder, 'refs/pr'));
    await writeFile(join(folder, 'refs/pr/1'), OLD);
    await putCommit(cacheDir, NAME, NEW, tiny);
    await writeFile(join(folder, 'blobs', `${'0'.repeat(64)}.partial`), 'of another download');
    const before = await blobs(folder);

    const plan = await planRemovalOfOld((await read())!);
    expect(plan).toMatchObject({ files: 1, sizeBytes: 10 });
    await removePlanned(plan, cacheDir);
    expect(await blobs(folder)).toBe(before - 1);
    expect(await readdir(join(folder, 'snapshots'))).toEqual([NEW]);
    expect(await readdir(join(folder, 'refs/pr'))).toEqual([]);
    for (const [path, bytes] of Object.entries(tiny))
      expect((await readFile(join(folder, 'snapshots', NEW, path))).equals(bytes), path).toBe(true);
    expect((await planRemovalOfOld((await read())!)).paths).toEqual([]);
  });

  it('of older commits keeps one that has the only copy of a dtype', async () => {
    const tiny = readTinyModel();
    await putCommit(cacheDir, NAME, OLD, { ...tiny, 'onnx/vision_model_fp16.onnx': tiny[VISION] });
    await putCommit(cacheDir, NAME, NEW, tiny);
    expect((await planRemovalOfOld((await read())!)).paths).toEqual([]);
  });

  it('never follows a link out of the cache', async () => {
    const folder = await putCommit(cacheDir, NAME, NEW, readTinyModel());
    const elsewhere = join(home, 'elsewhere');
    await rename(folder, elsewhere);
    await symlink(elsewhere, folder);
    await expect(planRemoval((await read())!)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await rm(folder);
    await rename(elsewhere, folder);

    await rename(join(folder, 'blobs'), join(home, 'blobs'));
    await symlink(join(home, 'blobs'), join(folder, 'blobs'));
    await expect(planRemovalOfOld((await read())!)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    expect(await blobs(home)).toBe(7);
  });

  it('leaves what a link in a snapshot leads to', async () => {
    const folder = await putCommit(cacheDir, NAME, NEW, readTinyModel());
    await writeFile(join(home, 'precious'), 'x');
    await symlink(join(home, 'precious'), join(folder, 'snapshots', NEW, 'link'));
    await removePlanned(await planRemoval((await read())!), cacheDir);
    expect(await readFile(join(home, 'precious'), 'utf8')).toBe('x');
  });

  it.each([
    ['a download of this machine that runs', `${newOwner()}.partial`, 0, true],
    ['a download of another machine that grows', 'ffffffff-2147483646-00000000.partial', 0, true],
    ['a download of another machine that stands still', 'ffffffff-2147483646-00000000.partial', 600, false],
    ['a download that was killed', `${newOwner().replace(/-\d+-/, '-2147483646-')}.partial`, 0, false],
    ['a download that was given up', 'partial', 0, false],
    ["Python's own download that grows", 'incomplete', 0, true],
    ["Python's own download that stands still", 'incomplete', 600, false],
  ])('of a model with %s', async (_, ending, ageSeconds, isRefused) => {
    const folder = await putCommit(cacheDir, NAME, NEW, readTinyModel());
    const file = join(folder, 'blobs', `${'0'.repeat(64)}.${ending}`);
    await writeFile(file, 'x');
    const at = Date.now() / 1000 - ageSeconds;
    await utimes(file, at, at);
    const plan = planRemoval((await read())!);
    if (isRefused) await expect(plan).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' });
    else expect((await plan).files).toBe(9);
  });
});
