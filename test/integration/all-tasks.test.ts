import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { createRunner, memoryQueue, memorySink, type Runner } from '../../dist/index.js';
import { BLIP, photoJob, SIGLIP } from '../support/fixtures.js';
import { bar, barredPicture, READ_AS_A, READ_AS_B, writeMadeOcr } from '../support/made-ocr.js';
import { MARKER, REDS } from '../support/marked-picture.js';

let root: string;
let runner: Runner | undefined;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-all-tasks-'));
});
afterEach(() => runner?.stop());
afterAll(() => rm(root, { recursive: true, force: true }));

it('posts embedding, caption, faces and texts of a photo that is decoded once, and ends its job once', async () => {
  const face = { x: 64, y: 352, width: 32, height: 32, color: REDS[0] };
  const lines = [bar(300, 100, READ_AS_A), bar(300, 200, READ_AS_B)];
  await writeFile(path.join(root, 'sign.png'), await barredPicture([face, ...lines], 640, 480));
  const queue = memoryQueue();
  const ack = vi.spyOn(queue, 'ack');
  const sink = memorySink();
  runner = createRunner({
    ...{ queue, sink, tasks: ['clip', 'caption', 'face', 'ocr'], roots: [root], device: 'cpu' },
    ...{ models: `tiny=${SIGLIP}`, captionModel: BLIP, captionMaxTokens: 16, faceModel: MARKER },
    ocrModel: writeMadeOcr(path.join(root, 'made')),
  });
  const done = new Promise((resolve) => runner?.on('job:done', resolve));
  await runner.start();
  queue.push(photoJob(7, 'sign.png', ['clip', 'caption', 'face', 'ocr']));
  await done;
  const bodies = Object.fromEntries(sink.deliveries.map(({ unit, body }) => [unit, body]));
  expect(sink.deliveries).toHaveLength(4);
  expect(bodies).toMatchObject({
    'clip/tiny': { modality: 'image', embedding: expect.any(Array) as unknown },
    'caption/tiny': { modality: 'caption', ml_result: { caption: expect.stringMatching(/\w/) as unknown } },
    'face/arcface-buffalo_l': { faces: [{ bbox: expect.anything() as unknown }] },
    'ocr/pp-ocr': { ml_result: { ocr_text: 'a\nb' } },
  });
  expect(runner.stats().images.decoded).toBe(1);
  await runner.stop();
  expect(ack.mock.calls.flatMap(([claims]) => claims)).toHaveLength(1);
  expect(queue.waiting()).toEqual([]);
  expect(queue.dead()).toEqual([]);
});
