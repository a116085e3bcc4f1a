import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { inMemory, runJobs, type JobCase } from '../support/job-fates.js';
import { PhotosLab, readiness } from '../support/photos-lab.js';
import { readPicture } from '../support/pictures.js';
import { until } from '../support/until.js';

/** Rows 40 and 52 of the list of bad inputs: the file system itself is in trouble. */

const lab = new PhotosLab({ CLIP_MODELS: `tiny=${CLIP}`, PROCESSING_EMBEDDING_DIM: '64', CLIP_DEVICE: 'cpu' });
const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'rows-mount-')));
writeFileSync(path.join(root, 'good.jpg'), readPicture('camera.jpg'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const job = (id: number, file: string): JobCase => ({ id: String(id), element: Buffer.from(photoJob(id, file)) });
const models = [{ label: 'tiny', name: CLIP }];

it('row 40: a mount that hangs costs an attempt after 30 s, and the jobs are done once it answers (FIFOs without a writer stand in: they hold every thread of libuv)', async () => {
  const fifo = path.join(root, 'stuck');
  execFileSync('mkfifo', [fifo]);
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  let stuck: readonly Promise<unknown>[] = [];
  let writer: number | undefined;
  const release = (): void => void (writer ??= openSync(fifo, constants.O_RDWR));
  const queue = inMemory();
  const cases = { first: job(1, 'good.jpg'), second: job(2, 'good.jpg'), third: job(3, 'good.jpg') };
  const retried = new Set<string>();
  try {
    const fates = await runJobs({
      cases,
      mates: [],
      queue: {
        ...queue,
        push: (elements) => {
          stuck = Array.from({ length: threads }, () => open(fifo, 'r').then((handle) => handle.close()));
          return queue.push(elements);
        },
      },
      runner: { models, roots: [root], decodeConcurrency: 3 },
      onRetried: (id) => {
        if (retried.add(id).size === 3) release();
      },
    });
    expect([...fates.attempts.values()]).toEqual([1, 1, 1]);
    expect(Object.keys(cases).map((name) => fates.of(name))).toEqual(['OK', 'OK', 'OK']);
  } finally {
    release();
    await Promise.all(stuck);
    closeSync(writer!);
  }
});

describe('a file system that fails', () => {
  it('row 52: a read that fails with EIO is tried five times, and its mates are done', async () => {
    // The memory of a process is a regular file; its first page is never there, and reading it is an I/O error.
    const fates = await runJobs({
      cases: { broken: job(1, `/proc/self/task/${process.pid}/mem`) },
      mates: [job(2, 'good.jpg'), job(3, 'good.jpg')],
      runner: { models, roots: [root, '/proc/self/task'] },
    });
    expect(fates.of('broken')).toBe('R5 exhausted');
    expect(fates.deadOf('broken')?.note.error).toMatchObject({
      code: 'FILE_IO',
      message: expect.stringContaining('EIO') as string,
    });
    expect(fates.lostMates).toEqual([]);
  });

  it('row 52: without file handles (EMFILE) jobs wait for their next attempt, and are done once there are some', async () => {
    const queue = `photos_${randomUUID()}`;
    const command = lab.photos({ REDIS_QUEUE_NAME: queue, PROJECT_ROOT: IMAGES });
    await readiness(command);
    // A first job, so that all connections are there.
    await lab.client.lpush(queue, photoJob(1, 'camera.jpg'));
    await lab.delivered(1);
    const [pid = NaN] = childrenOf(command.child.pid ?? NaN);
    const limit = (files: number | string): void =>
      void execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${files}:`]);
    const before = execFileSync('prlimit', [`--pid=${pid}`, '--nofile', '--output=SOFT', '--noheadings'])
      .toString()
      .trim();
    limit(readdirSync(`/proc/${pid}/fd`).length - 1);
    await lab.client.lpush(queue, photoJob(2, 'camera.jpg'), photoJob(3, 'chelsea.jpg'));
    const failures = (): unknown[] => command.log.filter(({ msg }) => msg.includes('EMFILE')).map(({ code }) => code);
    await until('both jobs met the limit', () => failures().length >= 2);
    limit(before);
    await lab.delivered(3);
    expect(new Set(failures())).toEqual(new Set(['FILE_IO']));
    expect(await lab.client.llen(`${queue}_dlq`)).toBe(0);
  });
});
