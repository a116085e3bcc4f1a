import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { CLIP, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { cell, MARKER, MARKER_BATCHED, markedPicture } from '../support/marked-picture.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

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
  home = await mkdtemp(path.join(tmpdir(), 'photos-faces-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await gallery.close();
  await rm(home, { recursive: true, force: true });
});

function photos(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): CommandProcess {
  const command = new CommandProcess(['photos', ...args], {
    REDIS_URL: redis.url,
    REDIS_QUEUE_NAME: `faces_${randomUUID()}`,
    API_BASE_URL: gallery.url,
    PROCESSING_INTERNAL_TOKEN: gallery.token,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `tiny=${CLIP}`,
    PROJECT_ROOT: home,
    // Where insightface's packs and the cache of models would be.
    HOME: home,
    ...env,
  });
  started.push(command);
  return command;
}

/** The line `ready` comes after `model ready`. */
async function readiness(command: CommandProcess): Promise<void> {
  const isReady = (): boolean => command.log.some(({ msg }) => msg === 'ready');
  while (!isReady()) {
    expect(command.child.exitCode, command.stderr).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const faceLines = (command: CommandProcess): readonly string[] =>
  command.log.filter(({ level, msg }) => level === 'warn' && /face|licence/.test(msg)).map(({ msg }) => msg);

const modelsOf = (command: CommandProcess): readonly unknown[] =>
  command.log.filter(({ msg }) => msg === 'model ready').map(({ task }) => task);

describe('clip-runner photos, faces', () => {
  it('posts faces and embedding of a photo, and an empty list where there is no face', async () => {
    await writeFile(path.join(home, 'two.png'), await markedPicture([cell(2, 3), cell(15, 10)]));
    await writeFile(path.join(home, 'none.png'), await markedPicture([]));
    const queue = `faces_${randomUUID()}`;
    await client.lpush(
      queue,
      photoJob(1, 'two.png', ['clip', 'face']),
      photoJob(2, './none.png', ['faces', 'thumbnail']),
    );
    photos({
      REDIS_QUEUE_NAME: queue,
      FACE_MODEL_NAME: MARKER,
      FACE_EXTRAS: '1',
      PROCESSING_DEFAULT_FACE_MODEL: 'mine',
    });
    while (gallery.callbacks.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    const two = gallery.callbacksFor(1);
    expect(two.map(({ kind }) => kind).sort()).toEqual(['faces', 'ml_result']);
    const faces = two.find(({ kind }) => kind === 'faces')?.body['faces'] as Record<string, unknown>[];
    expect(faces.map(({ model, score }) => [model, typeof score])).toEqual([
      ['mine', 'number'],
      ['mine', 'number'],
    ]);
    expect(gallery.callbacksFor(2)).toMatchObject([{ kind: 'faces', body: { faces: [] } }]);
  });

  it('starts without faces where the usual model is not on this machine, and says so in one line', async () => {
    const command = photos();
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(faceLines(command)).toEqual([expect.stringContaining('no faces: buffalo_l is not on this machine')]);
  });

  it('takes the usual model where insightface has left it, and tells its licence once', async () => {
    await cp(MARKER_BATCHED, path.join(home, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    const command = photos();
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip', 'face']);
    expect(faceLines(command)).toEqual(['the licence of these weights allows no commercial use']);
  });

  it('says nothing where faces are switched off', async () => {
    await cp(MARKER_BATCHED, path.join(home, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    const command = photos({}, ['--faces', '0']);
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(faceLines(command)).toEqual([]);
  });

  it.each([
    ['a model that is named and not there', { FACE_MODEL_NAME: './nowhere' }, 'There is no face model in'],
    [
      'the usual model, asked for, without a network',
      { FACE_ENABLED: '1', HF_HUB_OFFLINE: '1' },
      'immich-app/buffalo_l',
    ],
    [
      'vectors of another length',
      { FACE_MODEL_NAME: MARKER, PROCESSING_FACE_EMBEDDING_DIM: '128' },
      'PROCESSING_FACE_EMBEDDING_DIM',
    ],
    ['a threshold that is none', { FACE_THRESHOLD: '50' }, 'FACE_THRESHOLD must be a number from 0 to 1'],
  ])('ends with exit code 2: %s', async (_, env, message) => {
    const command = photos(env);
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain(message);
  });

  it('warns of a label that belongs to another model', async () => {
    const command = photos({ FACE_MODEL_NAME: MARKER });
    await readiness(command);
    expect(faceLines(command)).toEqual([expect.stringContaining('PROCESSING_DEFAULT_FACE_MODEL')]);
  });
});
