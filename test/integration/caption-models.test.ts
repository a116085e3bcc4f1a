import { cp, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findLocalCaptionModel, resolveCaptionModel } from '../../src/models/resolve-caption.js';
import { openTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import { CommandProcess } from '../support/command.js';
import { BLIP, FLORENCE2, readFolder, SIGLIP } from '../support/fixtures.js';
import { startHubServer, type HubServer } from '../support/hub-server.js';

const REPOSITORY = 'onnx-community/Florence-2-base-ft';
const BLIP_NAME = 'Salesforce/blip-image-captioning-base';
const GRAPHS = ['decoder_model_merged', 'embed_tokens', 'encoder_model', 'vision_encoder'];

let home: string;
let cacheDir: string;
let hub: HubServer;
beforeEach(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'caption-models-')));
  cacheDir = path.join(home, 'hub');
  hub = await startHubServer();
});
afterEach(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

const options = () => ({ cacheDir, endpoint: hub.url, retryDelayMs: 1, stallTimeoutMs: 5000 });

/** A repository with the files of a folder, and some that nobody needs. */
async function put(repository: string, folder = FLORENCE2): Promise<string> {
  const unneeded = { 'README.md': Buffer.from('words'), 'onnx/decoder_model.onnx': Buffer.from('-') };
  return hub.put(repository, { ...unneeded, ...(await readFolder(folder)) }).commit;
}

/** A copy of the tiny Florence-2 with one of its configurations changed. */
async function changed(file: string, change: (config: Record<string, unknown>) => object | undefined): Promise<string> {
  const folder = await mkdtemp(path.join(home, 'changed-'));
  await cp(FLORENCE2, folder, { recursive: true });
  const target = path.join(folder, file);
  const config = change(JSON.parse(await readFile(target, 'utf8')) as Record<string, unknown>);
  if (config === undefined) await rm(target);
  else await writeFile(target, JSON.stringify(config));
  return folder;
}

describe('resolveCaptionModel, Florence-2', () => {
  it.each([REPOSITORY, 'microsoft/Florence-2-base-ft', 'florence-community/Florence-2-base-ft'])(
    'downloads %s: its graphs and configurations only, and finds it in the cache then',
    async (name) => {
      await put(REPOSITORY);
      const model = await resolveCaptionModel(name, options());
      const { encoderFile, decoderFile, prompt } = model;
      const graphs = [encoderFile, decoderFile, prompt?.encoderFile, prompt?.embedderFile].map((file) =>
        path.basename(file ?? ''),
      );
      expect(graphs.sort()).toEqual(GRAPHS.map((graph) => `${graph}.onnx`));
      expect(model).toMatchObject({
        ...{ name, licence: 'MIT', startId: 2, endId: 2, maxPositions: 64 },
        rules: { firstId: 0, lastId: 2, noRepeatSize: 3 },
        prompt: { text: 'What does the image describe?' },
        preprocess: {
          mode: 'squash',
          interpolation: 'bicubic',
          crop: { width: 96, height: 96 },
          mean: [0.485, 0.456, 0.406],
        },
      });
      expect(
        hub.requests.filter(({ url }) => /README|decoder_model\.onnx/.test(url) && url.includes('/resolve/')),
      ).toEqual([]);
      expect(await findLocalCaptionModel(name, options())).toEqual(model);
    },
  );

  it('takes the dtype of every graph', async () => {
    const folder = path.join(home, 'fp16');
    await cp(FLORENCE2, folder, { recursive: true });
    for (const graph of GRAPHS)
      await rename(path.join(folder, 'onnx', `${graph}.onnx`), path.join(folder, 'onnx', `${graph}_fp16.onnx`));
    const { prompt } = await resolveCaptionModel(folder, { dtype: 'fp16' });
    expect(prompt?.embedderFile).toBe(path.join(folder, 'onnx', 'embed_tokens_fp16.onnx'));
    await expect(resolveCaptionModel(folder)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('expected onnx/vision_encoder.onnx') as string,
    });
  });

  it('is missing where downloads are off, with the command that gets it and no word of an exporter', async () => {
    await expect(resolveCaptionModel(REPOSITORY, { ...options(), offline: true })).rejects.toMatchObject({
      code: 'MODEL_OFFLINE',
      message: expect.stringContaining(`clip-runner models pull ${REPOSITORY} --dtype fp32`) as string,
    });
    expect(await findLocalCaptionModel(REPOSITORY, options())).toBeUndefined();
    expect(hub.requests).toEqual([]);
  });

  it('reads older files, which have all settings in config.json, and the prompt that transformers has', async () => {
    const folder = await changed('config.json', (config) => ({
      ...config,
      text_config: { ...(config['text_config'] as object), no_repeat_ngram_size: 4, forced_bos_token_id: 0 },
    }));
    await rm(path.join(folder, 'generation_config.json'));
    const file = path.join(folder, 'preprocessor_config.json');
    const { task_prompts_without_inputs: prompts, ...rest } = JSON.parse(await readFile(file, 'utf8')) as Record<
      string,
      unknown
    >;
    expect(prompts).toHaveProperty('<CAPTION>');
    await writeFile(file, JSON.stringify(rest));
    expect(await resolveCaptionModel(folder)).toMatchObject({
      ...{ startId: 2, endId: 2 },
      rules: { firstId: 0, noRepeatSize: 4 },
      prompt: { text: 'What does the image describe?' },
    });
  });

  it("has the prompt's ids of transformers' tokenizer", async () => {
    const { prompt, tokenizerFolder, maxPositions } = await resolveCaptionModel(FLORENCE2);
    const golden = JSON.parse(
      await readFile(new URL('../fixtures/golden/florence2.json', import.meta.url), 'utf8'),
    ) as { readonly prompt: readonly number[] };
    expect((await openTokenizer(tokenizerFolder)).encode(prompt?.text ?? '', maxPositions)).toEqual(golden.prompt);
  });

  it('asks what its own files say', async () => {
    const folder = await changed('preprocessor_config.json', (config) => ({
      ...config,
      task_prompts_without_inputs: { '<CAPTION>': 'And what is this?' },
    }));
    expect((await resolveCaptionModel(folder)).prompt?.text).toBe('And what is this?');
  });

  it.each([
    [
      'a setting that is no number',
      'generation_config.json',
      { no_repeat_ngram_size: 'three' },
      '"no_repeat_ngram_size" must be a whole number',
    ],
    [
      'a model of another kind',
      'config.json',
      { model_type: 'moondream1' },
      '"model_type" must be that of a captioner (blip, ',
    ],
    [
      'a prompt that is no text',
      'preprocessor_config.json',
      { task_prompts_without_inputs: { '<CAPTION>': 7 } },
      'must be a text',
    ],
  ])('refuses %s', async (_, file, part, message) => {
    const folder = await changed(file, (config) => ({ ...config, ...part }));
    await expect(resolveCaptionModel(folder)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('clip-runner models, captioners', () => {
  async function models(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const base = { HF_HOME: home, HF_ENDPOINT: hub.url, CLIP_MODELS: `tiny=${SIGLIP}`, PROCESSING_EMBEDDING_DIM: '64' };
    const command = new CommandProcess(
      ['models', ...args],
      { ...base, CLIP_DEVICE: 'cpu', HOME: home, CAPTION_ENABLED: '', ...env },
      home,
    );
    return { ended: await command.ended(), stdout: command.stdout, stderr: command.stderr };
  }

  it('are pulled, listed with their licence, verified and removed', async () => {
    const commit = await put(REPOSITORY);
    const snapshot = path.join(cacheDir, 'models--onnx-community--Florence-2-base-ft', 'snapshots', commit);
    const pulled = await models(['pull', REPOSITORY]);
    expect(pulled, pulled.stderr).toMatchObject({ ended: 0 });
    const row = new RegExp(`^${REPOSITORY} +caption +\\S+ +fp32 +[\\d.]+ kB +MIT +\\w{7} +${snapshot}$`, 'm');
    expect(pulled.stdout).toMatch(row);
    expect((await models(['list'])).stdout).toMatch(row);
    const named = { CAPTION_MODEL_NAME: 'microsoft/Florence-2-base-ft' };
    expect((await models(['list'], named)).stdout).toMatch(
      /^microsoft\/Florence-2-base-ft +caption +caption +fp32 .* MIT /m,
    );
    const verified = await models(['verify', 'caption'], named);
    expect(verified.stdout + verified.stderr).toMatch(
      /^good +microsoft\/Florence-2-base-ft +fp32 on cpu; 64 numbers; captions; /m,
    );
    expect(verified.ended).toBe(0);
    expect(await models(['remove', REPOSITORY, '--yes'])).toMatchObject({ ended: 0 });
    expect(await readdir(cacheDir)).not.toContain('models--onnx-community--Florence-2-base-ft');
    const missing = await models(['list'], named);
    expect(missing.stdout).toMatch(
      /MISSING: no fp32 here: clip-runner models pull microsoft\/Florence-2-base-ft --dtype fp32/,
    );
    expect(await models(['verify', REPOSITORY])).toMatchObject({ ended: 1 });
  });

  it('that are damaged are found by their hash, not loaded, and repaired', async () => {
    await put(REPOSITORY);
    await models(['pull', REPOSITORY]);
    const snapshots = path.join(cacheDir, 'models--onnx-community--Florence-2-base-ft', 'snapshots');
    const [commit = ''] = await readdir(snapshots);
    await writeFile(await realpath(path.join(snapshots, commit, 'onnx', 'embed_tokens.onnx')), 'damaged');
    const { ended, stdout } = await models(['verify', REPOSITORY]);
    expect(ended).toBe(1);
    expect(stdout).toMatch(/^wrong .*MODEL_CORRUPT: onnx\/embed_tokens\.onnx is not what was downloaded/m);
    expect(await models(['verify', REPOSITORY, '--repair'])).toMatchObject({ ended: 0 });
  });

  it('that were exported into the cache are listed and verified there, and not removed', async () => {
    const folder = path.join(cacheDir, 'clip-runner', 'exports', BLIP_NAME.replace('/', '--'));
    expect((await models(['list'], { CAPTION_ENABLED: '1' })).stdout).toMatch(
      new RegExp(`^${BLIP_NAME} +caption .*MISSING: no fp32 here: tools/export/export_blip.py ${BLIP_NAME}`, 'm'),
    );
    await cp(BLIP, folder, { recursive: true });
    expect((await models(['list'])).stdout).toMatch(
      new RegExp(`^${BLIP_NAME} +caption +caption +fp32 .*BSD-3-Clause +- +${folder}$`, 'm'),
    );
    expect(await models(['verify', BLIP_NAME])).toMatchObject({ ended: 0 });
    const removal = await models(['remove', BLIP_NAME, '--yes']);
    expect(removal.ended).toBe(2);
    expect(removal.stderr).toContain(`lies in ${folder}`);
  });
});
