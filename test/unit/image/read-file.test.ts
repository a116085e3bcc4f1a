import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { appendFile, chmod, link, open, rm, utimes, type FileHandle } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunnerError, type ErrorCode } from '../../../src/errors.js';
import { candidatesInRoots, isInside } from '../../../src/tasks/image/photo-path.js';
import { readAtMost } from '../../../src/tasks/image/read-at-most.js';
import { blameUpload, readPhotoFile, type ReadOptions } from '../../../src/tasks/image/read-file.js';

/** Rows are those of the list of bad inputs, see test/support/bad-inputs.ts. */

let base: string;
let root: string;
let options: ReadOptions;

beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'read-file-')));
  root = join(base, 'uploads');
  mkdirSync(join(root, 'original'), { recursive: true });
  mkdirSync(join(base, 'uploads-evil'));
  writeFileSync(join(root, 'original', 'a.jpg'), 'inside');
  writeFileSync(join(base, 'secret.jpg'), 'outside');
  writeFileSync(join(base, 'uploads-evil', 'a.jpg'), 'evil');
  options = { roots: [root], isTrusted: false, maxFileBytes: 1000 };
});

afterAll(() => {
  rmSync(base, { recursive: true });
});

async function textOf(path: string, changes: Partial<ReadOptions> = {}): Promise<string> {
  return (await readPhotoFile(path, { ...options, ...changes })).toString();
}

async function failureOf(path: string, changes: Partial<ReadOptions> = {}): Promise<RunnerError> {
  const error: unknown = await textOf(path, changes).then(
    (text) => new Error(`It was read: ${text}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RunnerError)) throw error;
  expect(error.message).not.toContain(base);
  return error;
}

async function expectFailure(path: string, code: ErrorCode, changes: Partial<ReadOptions> = {}): Promise<void> {
  const { code: found, message } = await failureOf(path, changes);
  expect([found, message]).toEqual([code, message]);
}

describe('security 4: a path of a job', () => {
  it('resolves under the first root, as the gallery writes it', async () => {
    expect(await textOf('./original/a.jpg')).toBe('inside');
    expect(await textOf('original/a.jpg', { roots: [root, base] })).toBe('inside');
  });

  it('row 29: follows a link inside the root, and refuses one that leads outside', async () => {
    symlinkSync('a.jpg', join(root, 'original', 'good-link.jpg'));
    symlinkSync('../../secret.jpg', join(root, 'original', 'bad-link.jpg'));
    expect(await textOf('original/good-link.jpg')).toBe('inside');
    await expectFailure('original/bad-link.jpg', 'PATH_OUTSIDE_ROOT');
  });

  it('row 30: refuses a file behind a linked folder that lies outside', async () => {
    symlinkSync('../uploads-evil', join(root, 'linked'));
    await expectFailure('linked/a.jpg', 'PATH_OUTSIDE_ROOT');
  });

  it('row 30: never reads outside while a folder on the way is being swapped for a link', async () => {
    mkdirSync(join(root, 'swapped'));
    writeFileSync(join(root, 'swapped', 'a.jpg'), 'inside');
    symlinkSync(join(base, 'uploads-evil'), join(root, 'swap-link'));
    const swapper = new Worker(
      `const { renameSync } = require('node:fs'); const { workerData: root } = require('node:worker_threads');
       for (;;) {
         renameSync(root + '/swapped', root + '/aside'); renameSync(root + '/swap-link', root + '/swapped');
         renameSync(root + '/swapped', root + '/swap-link'); renameSync(root + '/aside', root + '/swapped');
       }`,
      { eval: true, workerData: root },
    );
    const seen = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const outcome = await textOf('swapped/a.jpg').catch((error: unknown) => (error as RunnerError).code);
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    await swapper.terminate();
    expect(seen.get('inside')).toBeGreaterThan(0);
    expect(seen.get('PATH_OUTSIDE_ROOT')).toBeGreaterThan(0);
    expect(seen.has('evil')).toBe(false);
  });

  it('row 31: refuses links that go round in circles', async () => {
    symlinkSync('loop-b', join(root, 'loop-a'));
    symlinkSync('loop-a', join(root, 'loop-b'));
    await expectFailure('loop-a', 'PATH_INVALID');
  });

  it.each(['../secret.jpg', 'original/../../secret.jpg', '../uploads-evil/a.jpg', '.', '', '../../../../etc/passwd'])(
    'row 32: refuses %j',
    async (path) => {
      await expectFailure(path, path === '' ? 'PATH_INVALID' : 'PATH_OUTSIDE_ROOT');
    },
  );

  it('row 32: takes names that only look like going up', async () => {
    mkdirSync(join(root, '....'));
    writeFileSync(join(root, '....', '..a.jpg'), 'dots');
    expect(await textOf('....//..a.jpg')).toBe('dots');
  });

  it('row 33: takes an absolute path inside any root, and no other', async () => {
    expect(await textOf(join(root, 'original/a.jpg'))).toBe('inside');
    expect(await textOf(join(root, 'original/a.jpg'), { roots: [join(base, 'uploads-evil'), root] })).toBe('inside');
    await expectFailure(join(base, 'secret.jpg'), 'PATH_OUTSIDE_ROOT');
    await expectFailure(join(base, 'uploads-evil/a.jpg'), 'PATH_OUTSIDE_ROOT');
    await expectFailure('/etc/passwd', 'PATH_OUTSIDE_ROOT');
  });

  it.each([
    'file:///etc/passwd',
    'FILE:/etc/passwd',
    'http://169.254.169.254/latest',
    'https:/x',
    'data:image/png;base64,AAAA',
    'gopher://x',
    '\\\\host\\share\\a.jpg',
    '//host/share/a.jpg',
  ])('row 34: refuses %s without asking the file system', async (path) => {
    await expectFailure(path, 'PATH_INVALID');
    await expectFailure(path, 'PATH_INVALID', { isTrusted: true });
  });

  it('row 41: refuses a NUL', async () => {
    await expectFailure('original/a.jpg\0.png', 'PATH_INVALID');
  });

  it('row 42: refuses paths and names that are too long', async () => {
    await expectFailure('x/'.repeat(2100), 'PATH_INVALID');
    await expectFailure('x'.repeat(256), 'PATH_INVALID');
    await expectFailure('é'.repeat(128), 'PATH_INVALID');
    await expectFailure('x'.repeat(255), 'FILE_NOT_FOUND');
  });

  it('row 43: finds a file whose accents are written in the other normal form', async () => {
    writeFileSync(join(root, 'café-nfc.jpg'.normalize('NFC')), 'composed');
    writeFileSync(join(root, 'café-nfd.jpg'.normalize('NFD')), 'decomposed');
    expect(await textOf('café-nfc.jpg'.normalize('NFD'))).toBe('composed');
    expect(await textOf('café-nfd.jpg'.normalize('NFC'))).toBe('decomposed');
  });

  it('row 43: changes the form below the root only', () => {
    const odd = '/data/é'.normalize('NFD');
    expect(candidatesInRoots('ü.jpg'.normalize('NFC'), [odd])).toEqual([
      `${odd}/${'ü.jpg'.normalize('NFC')}`,
      `${odd}/${'ü.jpg'.normalize('NFD')}`,
    ]);
  });

  it.each([
    '🏝️.jpg',
    'צילום.jpg',
    'two\nlines.jpg',
    '%2e%2e.jpg',
    'a[n=-1].jpg',
    'a:b.jpg',
    'c:d',
    '-rf',
    ' ',
    '~',
    '$HOME',
  ])('row 44: takes the name %j as it is', async (name) => {
    writeFileSync(join(root, name), 'odd name');
    expect(await textOf(name)).toBe('odd name');
  });

  it('row 46: says that a file is not there, below a file too', async () => {
    await expectFailure('original/gone.jpg', 'FILE_NOT_FOUND');
    await expectFailure('original/a.jpg/b.jpg', 'FILE_NOT_FOUND');
    expect((await failureOf('original/gone.jpg')).maxAttempts).toBe(2);
  });

  it('row 50: takes hard links', async () => {
    await link(join(root, 'original/a.jpg'), join(root, 'hard.jpg'));
    expect(await textOf('hard.jpg')).toBe('inside');
  });

  it('row 51: minds the case of names', async () => {
    await expectFailure('original/A.JPG', 'FILE_NOT_FOUND');
  });
});

describe('what is not a regular file', () => {
  it('row 35: refuses a folder', async () => {
    await expectFailure('original', 'FILE_NOT_REGULAR');
  });

  it('row 36: refuses a FIFO without waiting for a writer', async () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    await expectFailure('fifo', 'FILE_NOT_REGULAR');
  });

  it('row 37: refuses a socket', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    await expectFailure('socket', 'FILE_NOT_REGULAR');
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(['/dev/zero', '/dev/random', '/dev/tty', '/dev/null'])(
    'row 37: refuses %s, from the program itself too',
    async (path) => {
      await expectFailure(path, 'PATH_OUTSIDE_ROOT');
      await expectFailure(path, 'FILE_NOT_REGULAR', { isTrusted: true });
      await expectFailure(path, 'FILE_NOT_REGULAR', { roots: [] });
    },
  );

  it('row 38: reads a file that says it has 0 bytes no further than allowed', async () => {
    await expectFailure('/proc/self/status', 'PATH_OUTSIDE_ROOT');
    await expectFailure('/proc/self/status', 'FILE_TOO_LARGE', { isTrusted: true, maxFileBytes: 50 });
    expect(await textOf('/proc/self/status', { isTrusted: true, maxFileBytes: 1e6 })).toContain('VmRSS');
  });
});

describe('what can not be read', () => {
  it('row 3: says that a file is empty, which may get better', async () => {
    writeFileSync(join(root, 'empty.jpg'), '');
    expect(await failureOf('empty.jpg')).toMatchObject({ code: 'FILE_EMPTY', retry: 'later', maxAttempts: 2 });
  });

  it('row 39: says that the file may not be read (the superuser steps down for this one)', async () => {
    writeFileSync(join(root, 'private.jpg'), 'private');
    await chmod(join(root, 'private.jpg'), 0o000);
    await chmod(base, 0o755);
    const isRoot = process.geteuid!() === 0;
    if (isRoot) process.seteuid!(65_534);
    try {
      await expectFailure('private.jpg', 'FILE_DENIED');
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  });

  it('row 40: gives up when the file system does not answer', async () => {
    // Opening a FIFO blocks a thread of libuv until somebody writes: all of them are stuck, as with a hung mount.
    const fifo = join(root, 'stuck');
    execFileSync('mkfifo', [fifo]);
    const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
    const stuck = Array.from({ length: threads }, () => open(fifo, 'r'));
    try {
      await expectFailure('original/a.jpg', 'FILE_TIMEOUT', { readTimeoutMs: 20 });
    } finally {
      const writer = openSync(fifo, constants.O_RDWR);
      for (const handle of await Promise.all(stuck)) await handle.close();
      closeSync(writer);
    }
    expect(await textOf('original/a.jpg')).toBe('inside');
  });

  it('row 48: takes a file of just the size that is allowed, and refuses one byte more', async () => {
    writeFileSync(join(root, 'large.jpg'), Buffer.alloc(1001));
    await expectFailure('large.jpg', 'FILE_TOO_LARGE');
    expect(await textOf('large.jpg', { maxFileBytes: 1001 })).toHaveLength(1001);
  });

  it('row 49: refuses a sparse file of a terabyte before reading', async () => {
    writeFileSync(join(root, 'sparse.jpg'), '');
    truncateSync(join(root, 'sparse.jpg'), 1e12);
    await expectFailure('sparse.jpg', 'FILE_TOO_LARGE');
  });
});

describe('a file that changes meanwhile', () => {
  const handleOf = (chunks: readonly string[], sizes: readonly number[]): FileHandle => {
    let reads = 0;
    let stats = 0;
    return {
      stat: () => Promise.resolve({ isFile: () => true, size: sizes[Math.min(stats++, sizes.length - 1)], mtimeMs: 1 }),
      read: (buffer: Buffer, at: number) => Promise.resolve({ bytesRead: buffer.write(chunks[reads++] ?? '', at) }),
    } as unknown as FileHandle;
  };

  it('row 47: is refused for now if it grew while it was read', async () => {
    await expect(readAtMost(handleOf(['abc', 'defgh'], [3, 8]), 100)).rejects.toMatchObject({ code: 'FILE_CHANGING' });
  });

  it('row 47: is cut at the limit even if it said it was small', async () => {
    const chunks = Array.from({ length: 50 }, () => 'xxxxxxxxxx');
    await expect(readAtMost(handleOf(chunks, [3, 3]), 100)).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
  });

  it('row 47: may get better if it can not be decoded and is less than a minute old', async () => {
    const failure = new RunnerError('IMAGE_DECODE', 'premature end');
    const file = join(root, 'upload.jpg');
    await appendFile(file, 'half');
    await utimes(file, 1000, 1000);
    expect(await blameUpload(failure, 'upload.jpg', options, 1_059_000)).toMatchObject({
      code: 'FILE_CHANGING',
      retry: 'later',
    });
    expect(await blameUpload(failure, 'upload.jpg', options, 1_060_000)).toBe(failure);
    await rm(file);
    expect(await blameUpload(failure, 'upload.jpg', options, 1_059_000)).toBe(failure);
  });

  it('row 47: stays what it is for other failures', async () => {
    const failure = new RunnerError('IMAGE_UNSUPPORTED', 'HEIC');
    expect(await blameUpload(failure, 'original/a.jpg', options, 0)).toBe(failure);
  });
});

describe('roots', () => {
  it('may come into being after the first job', async () => {
    const late = join(base, 'late');
    await expectFailure('a.jpg', 'FILE_NOT_FOUND', { roots: [late] });
    mkdirSync(late);
    writeFileSync(join(late, 'a.jpg'), 'late');
    expect(await textOf('a.jpg', { roots: [late] })).toBe('late');
  });

  it('may be links that a deployment turns to another folder', async () => {
    for (const release of ['release-1', 'release-2']) {
      mkdirSync(join(base, release));
      writeFileSync(join(base, release, 'a.jpg'), release);
    }
    const current = join(base, 'current');
    symlinkSync('release-1', current);
    expect(await textOf('a.jpg', { roots: [current] })).toBe('release-1');
    symlinkSync('release-2', `${current}.new`);
    renameSync(`${current}.new`, current);
    expect(await textOf('a.jpg', { roots: [current] })).toBe('release-2');
  });

  it('do not bind the embedding program, whose relative paths are its own', async () => {
    expect(await textOf(join(base, 'secret.jpg'), { isTrusted: true })).toBe('outside');
    expect(await textOf(relative(process.cwd(), join(base, 'secret.jpg')), { isTrusted: true })).toBe('outside');
  });
});

describe('isInside', () => {
  it.each([
    ['/uploads/a', '/uploads', true],
    ['/uploads-evil/a', '/uploads', false],
    ['/uploads', '/uploads', false],
    ['/', '/uploads', false],
    ['/uploads/..a', '/uploads', true],
    ['/a', '/', true],
  ])('%s in %s: %s', (path, folder, expected) => {
    expect(isInside(path, folder)).toBe(expected);
  });
});
