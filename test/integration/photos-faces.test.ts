import { randomUUID } from 'node:crypto';
import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CommandProcess } from '../support/command.js';
import { CLIP, photoJob } from '../support/fixtures.js';
import { cell, MARKER, MARKER_BATCHED, markedPicture } from '../support/marked-picture.js';
import { modelsOf, PhotosLab, readiness } from '../support/photos-lab.js';

const lab = new PhotosLab({ PROCESSING_EMBEDDING_DIM: '64', CLIP_MODELS: `tiny=${CLIP}` });

const faceLines = (command: CommandProcess): readonly string[] =>
  command.log.filter(({ level, msg }) => level === 'warn' && /face|licence/.test(msg)).map(({ msg }) => msg);

describe('clip-runner photos, faces', () => {
  it('posts faces and embedding of a photo, and an empty list where there is no face', async () => {
    await writeFile(path.join(lab.home, 'two.png'), await markedPicture([cell(2, 3), cell(15, 10)]));
    await writeFile(path.join(lab.home, 'none.png'), await markedPicture([]));
    const queue = `faces_${randomUUID()}`;
    await lab.client.lpush(
      queue,
      photoJob(1, 'two.png', ['clip', 'face']),
      photoJob(2, './none.png', ['faces', 'thumbnail']),
    );
    lab.photos({
      REDIS_QUEUE_NAME: queue,
      FACE_MODEL_NAME: MARKER,
      FACE_EXTRAS: '1',
      PROCESSING_DEFAULT_FACE_MODEL: 'mine',
    });
    await lab.delivered(3);
    const two = lab.gallery.callbacksFor(1);
    expect(two.map(({ kind }) => kind).sort()).toEqual(['faces', 'ml_result']);
    const faces = two.find(({ kind }) => kind === 'faces')?.body['faces'] as Record<string, unknown>[];
    expect(faces.map(({ model, score }) => [model, typeof score])).toEqual([
      ['mine', 'number'],
      ['mine', 'number'],
    ]);
    expect(lab.gallery.callbacksFor(2)).toMatchObject([{ kind: 'faces', body: { faces: [] } }]);
  });

  it('starts without faces where the usual model is not on this machine, and says so in one line', async () => {
    const command = lab.photos();
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(faceLines(command)).toEqual([expect.stringContaining('no faces: buffalo_l is not on this machine')]);
  });

  it('takes the usual model where insightface has left it, and tells its licence once', async () => {
    await cp(MARKER_BATCHED, path.join(lab.home, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    const command = lab.photos();
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip', 'face']);
    expect(faceLines(command)).toEqual(['the licence of these weights allows no commercial use']);
  });

  it('says nothing where faces are switched off', async () => {
    await cp(MARKER_BATCHED, path.join(lab.home, '.insightface', 'models', 'buffalo_l'), { recursive: true });
    const command = lab.photos({}, ['--faces', '0']);
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
    ['a decoding that is none', { FACE_DECODE: 'half' }, 'FACE_DECODE must be'],
    ['a threshold that is none', { FACE_THRESHOLD: '50' }, 'FACE_THRESHOLD must be a number from 0 to 1'],
  ])('ends with exit code 2: %s', async (_, env, message) => {
    const command = lab.photos(env);
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain(message);
  });

  it('warns of a label that belongs to another model', async () => {
    const command = lab.photos({ FACE_MODEL_NAME: MARKER });
    await readiness(command);
    expect(faceLines(command)).toEqual([expect.stringContaining('PROCESSING_DEFAULT_FACE_MODEL')]);
  });
});
