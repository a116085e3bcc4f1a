import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { CommandProcess } from '../support/command.js';
import { BLIP, FLORENCE2, IMAGES, photoJob, readFolder, SIGLIP } from '../support/fixtures.js';
import { startHubServer } from '../support/hub-server.js';
import { cell, MARKER, markedPicture } from '../support/marked-picture.js';
import { modelsOf, PhotosLab, readiness } from '../support/photos-lab.js';
import { until } from '../support/until.js';

const lab = new PhotosLab({
  ...{ PROCESSING_EMBEDDING_DIM: '64', CLIP_MODELS: `tiny=${SIGLIP}`, FACE_ENABLED: '0', CLIP_RESAMPLE: 'exact' },
  ...{ UPLOAD_BASE_DIR: IMAGES, LOG_LEVEL: 'debug', CAPTION_ENABLED: '' },
});
const USUAL = 'Salesforce/blip-image-captioning-base';
interface Golden {
  readonly maxNewTokens: number;
  readonly captions: Readonly<Record<string, { readonly text: string }>>;
}

const readGolden = (name: string): Golden =>
  JSON.parse(readFileSync(new URL(`../fixtures/golden/${name}.json`, import.meta.url), 'utf8')) as Golden;
const golden = readGolden('captions');
const CAPTIONS = { CAPTION_MODEL_NAME: BLIP, CAPTION_MAX_LENGTH: String(golden.maxNewTokens) };

const captionLines = (command: CommandProcess): readonly string[] =>
  command.log.filter(({ level, msg }) => level === 'warn' && msg.includes('caption')).map(({ msg }) => msg);

/** The caption that the gallery got of a photo; undefined where it got none. */
function captionOf(id: number): string | undefined {
  const posted = lab.gallery.callbacksFor(id).find(({ body }) => body['modality'] === 'caption')?.body;
  return (posted?.['ml_result'] as { caption: string } | undefined)?.caption;
}

/** Resolves when the command has ended its work on so many jobs. */
function worked(command: CommandProcess, jobs: number): Promise<void> {
  const ended = ({ msg }: { msg: string }): boolean => msg === 'done' || msg.startsWith('dead letter');
  return until(`${jobs} jobs are over`, () => command.log.filter(ended).length >= jobs);
}

describe('clip-runner photos, captions', () => {
  it('posts embedding, caption and faces of a photo, and ends its job once', async () => {
    await writeFile(path.join(lab.home, 'two.png'), await markedPicture([cell(2, 3), cell(15, 10)]));
    const queue = `captions_${randomUUID()}`;
    await lab.client.lpush(
      queue,
      photoJob(1, 'two.png', ['clip', 'face']),
      photoJob(2, path.join(IMAGES, 'brick.jpg'), ['caption']),
    );
    const command = lab.photos({ ...CAPTIONS, REDIS_QUEUE_NAME: queue, FACE_ENABLED: '1', FACE_MODEL_NAME: MARKER });
    await worked(command, 2);
    expect(modelsOf(command).toSorted()).toEqual(['caption', 'clip', 'face']);
    const kinds = lab.gallery.callbacksFor(1).map(({ kind, body }) => [kind, body['modality']].join(' '));
    expect(kinds.sort()).toEqual(['faces ', 'ml_result caption', 'ml_result image']);
    expect(lab.gallery.callbacksFor(2)).toHaveLength(1);
    expect(captionOf(2)).toBe(golden.captions['brick.jpg']?.text);
    expect(
      command.log
        .filter(({ msg }) => msg === 'done')
        .map(({ photo }) => photo)
        .sort(),
    ).toEqual(['1', '2']);
    expect(await command.kill('SIGTERM')).toBe(0);
    const left = await lab.client.keys(`*${queue}*`);
    expect(left.filter((key) => !key.endsWith(':seq'))).toEqual([]);
  });

  it('describes pictures of one pixel and of 20000 x 30', async () => {
    const stripes = sharp({ create: { width: 20_000, height: 30, channels: 3, background: '#204080' } });
    await stripes.png().toFile(path.join(lab.home, 'wide.png'));
    const queue = `captions_${randomUUID()}`;
    await lab.client.lpush(
      queue,
      photoJob(1, path.join(IMAGES, 'one_1x1.png')),
      photoJob(2, path.join(IMAGES, 'wide_2000x20.png')),
      photoJob(3, 'wide.png'),
    );
    const command = lab.photos({ ...CAPTIONS, REDIS_QUEUE_NAME: queue });
    await worked(command, 3);
    expect(captionOf(1)).toBe(golden.captions['one_1x1.png']?.text);
    expect(captionOf(2)).toBe(golden.captions['wide_2000x20.png']?.text);
    expect(lab.gallery.callbacksFor(3).map(({ body }) => body['modality'])).toContain('image');
    expect(command.log.filter(({ msg }) => msg === 'done')).toHaveLength(3);
  });

  it('ends a caption at CAPTION_MAX_LENGTH', async () => {
    const queue = `captions_${randomUUID()}`;
    await lab.client.lpush(queue, photoJob(1, path.join(IMAGES, 'rocket.jpg')));
    await worked(lab.photos({ ...CAPTIONS, REDIS_QUEUE_NAME: queue, CAPTION_MAX_LENGTH: '3' }), 1);
    const whole = golden.captions['rocket.jpg']?.text.split(' ') ?? [];
    expect(whole.length).toBeGreaterThan(3);
    expect(captionOf(1)).toBe(whole.slice(0, 3).join(' '));
  });

  it('takes Florence-2 by its name from the hub, and describes photos of a batch with it', async () => {
    const hub = await startHubServer();
    try {
      const florence = readGolden('florence2');
      const names = Object.keys(florence.captions);
      hub.put('onnx-community/Florence-2-large', await readFolder(FLORENCE2));
      const queue = `captions_${randomUUID()}`;
      await lab.client.lpush(
        queue,
        ...names.map((name, index) => photoJob(index + 1, path.join(IMAGES, name), ['caption'])),
      );
      const command = lab.photos({
        ...{ CAPTION_MODEL_NAME: 'onnx-community/Florence-2-large', HF_ENDPOINT: hub.url, REDIS_QUEUE_NAME: queue },
        CAPTION_MAX_LENGTH: String(florence.maxNewTokens),
      });
      await worked(command, names.length);
      const posted = names.map((_, index) => captionOf(index + 1));
      expect(posted).toEqual(names.map((name) => florence.captions[name]?.text));
    } finally {
      await hub.close();
    }
  });

  it('starts without captions where the usual captioner is not on this machine, and says so in one line', async () => {
    const command = lab.photos();
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(captionLines(command)).toEqual([expect.stringContaining(`no captions: ${USUAL} is not on this machine`)]);
  });

  it('takes the usual captioner where the exporter has left it', async () => {
    const exported = path.join(
      lab.home,
      '.cache',
      'huggingface',
      'hub',
      'clip-runner',
      'exports',
      USUAL.replace('/', '--'),
    );
    await cp(BLIP, exported, { recursive: true });
    const command = lab.photos();
    await readiness(command);
    expect(modelsOf(command).toSorted()).toEqual(['caption', 'clip']);
    expect(captionLines(command)).toEqual([]);
  });

  it('says nothing where captions are switched off', async () => {
    const command = lab.photos({ ...CAPTIONS, CAPTION_ENABLED: '0' });
    await readiness(command);
    expect(modelsOf(command)).toEqual(['clip']);
    expect(captionLines(command)).toEqual([]);
  });

  const advice = `make it once with "python tools/export/export_blip.py ${USUAL}`;
  it.each([
    ['the usual captioner, asked for', { CAPTION_ENABLED: '1', HF_HUB_OFFLINE: '1' }, advice],
    ['the usual captioner, named', { CAPTION_MODEL_NAME: USUAL, HF_HUB_OFFLINE: '1' }, advice],
    ['a folder that is not there', { CAPTION_MODEL_NAME: './nowhere' }, 'export_blip.py <repository> ./nowhere'],
    ['a folder that holds no captioner', { CAPTION_MODEL_NAME: SIGLIP }, '"model_type" must be that of a captioner'],
    ['no length', { ...CAPTIONS, CAPTION_MAX_LENGTH: '0' }, 'CAPTION_MAX_LENGTH must be a whole number'],
  ])('ends with exit code 2 and one line that helps: %s', async (_, env, message) => {
    const command = lab.photos(env);
    expect(await command.ended()).toBe(2);
    const said = command.stderr.split('\n').filter((line) => line.includes(message));
    expect(said, command.stderr).toHaveLength(1);
    expect(command.log.some(({ msg }) => msg === 'ready')).toBe(false);
  });

  it('tells the same of a repository that has no ONNX files', async () => {
    const hub = await startHubServer();
    try {
      hub.put(USUAL, { 'config.json': Buffer.from('{}') });
      const command = lab.photos({ CAPTION_ENABLED: '1', HF_ENDPOINT: hub.url });
      expect(await command.ended()).toBe(2);
      expect(command.stderr).toContain(advice);
      expect(command.stderr).toContain('CAPTION_ENABLED=0');
    } finally {
      await hub.close();
    }
  });
});
