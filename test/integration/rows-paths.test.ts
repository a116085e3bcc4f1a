import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP, photoJob } from '../support/fixtures.js';
import { runJobs, type JobCase, type JobFates } from '../support/job-fates.js';
import { readPicture } from '../support/pictures.js';

/**
 * Rows 29 to 51 of the list of bad inputs (52 is in rows-mount.test.ts), to the end of each job: all paths go through one
 * runner together, a good photo beside each. Races and what is hard to time are in test/unit/image/read-file.test.ts.
 */

/** What a job gives as its path, how it ends, and what has to be there first; both may use `base` and `root`. */
interface Row {
  readonly path: string | (() => string);
  readonly fate: string;
  readonly make?: () => void;
}

/** `root` is what jobs may read from; beside it lie a secret and a folder whose name only begins like the root's. */
const base = realpathSync(mkdtempSync(path.join(tmpdir(), 'rows-paths-')));
const root = path.join(base, 'uploads');
const at = (name: string): string => path.join(root, name);
const photo = readPicture('camera.jpg');
const place =
  (name: string): (() => void) =>
  () =>
    writeFileSync(at(name), photo);
/** Folders of the system that a careless operator might allow, so that no containment stands before what is tested. */
const OWN_THREADS = '/proc/self/task';
const SETTINGS = '/proc/sys/vm';

let server: Server;

const ODD_NAMES = {
  'an emoji': '🏝️.jpg',
  'right-to-left writing': 'צילום.jpg',
  'a line break': 'two\nlines.jpg',
  'an escape of a URL': '%2e%2e.jpg',
  'options for libvips': 'a[n=-1].jpg',
  'a colon': 'a:b.jpg',
  'nothing but a blank': ' ',
  'a flag': '-rf',
} as const;

const ROWS: Readonly<Record<string, Row>> = {
  'row 29: a symlink inside the root that stays inside': {
    path: 'good-link.jpg',
    fate: 'OK',
    make: () => symlinkSync('good.jpg', at('good-link.jpg')),
  },
  'row 29: a symlink inside the root that leads outside': {
    path: 'bad-link.jpg',
    fate: 'P path',
    make: () => symlinkSync('../secret.jpg', at('bad-link.jpg')),
  },
  'row 30: a folder on the way is a symlink that leads outside': {
    path: 'linked/a.jpg',
    fate: 'P path',
    make: () => symlinkSync('../uploads-evil', at('linked')),
  },
  'row 31: symlinks that go round in circles': {
    path: 'loop-a',
    fate: 'P path',
    make: () => {
      symlinkSync('loop-b', at('loop-a'));
      symlinkSync('loop-a', at('loop-b'));
    },
  },
  'row 32: ../../etc/passwd': { path: '../../etc/passwd', fate: 'P path' },
  'row 32: uploads/../../secret.jpg': { path: 'uploads/../../secret.jpg', fate: 'P path' },
  'row 32: ....//....//secret.jpg, which is a name like another': {
    path: '....//....//secret.jpg',
    fate: 'R2 not_found',
  },
  'row 33: an absolute path inside the root': { path: () => at('good.jpg'), fate: 'OK' },
  'row 33: an absolute path outside': { path: () => path.join(base, 'secret.jpg'), fate: 'P path' },
  'row 33: an absolute path in a folder whose name begins like the root’s': {
    path: () => path.join(base, 'uploads-evil/a.jpg'),
    fate: 'P path',
  },
  'row 34: file:///etc/passwd': { path: 'file:///etc/passwd', fate: 'P path' },
  'row 34: http://169.254.169.254/': { path: 'http://169.254.169.254/', fate: 'P path' },
  'row 34: a share of a Windows host': { path: '\\\\host\\share\\a.jpg', fate: 'P path' },
  'row 34: data:': { path: 'data:image/png;base64,AAAA', fate: 'P path' },
  'row 35: a folder': { path: 'folder', fate: 'P path', make: () => mkdirSync(at('folder')) },
  'row 36: a FIFO without a writer': {
    path: 'fifo',
    fate: 'P path',
    make: () => void execFileSync('mkfifo', [at('fifo')]),
  },
  'row 37: /dev/zero': { path: '/dev/zero', fate: 'P path' },
  'row 37: /dev/random': { path: '/dev/random', fate: 'P path' },
  'row 37: a terminal': { path: '/dev/tty', fate: 'P path' },
  'row 37: a device by a symlink': {
    path: 'zero',
    fate: 'P path',
    make: () => symlinkSync('/dev/zero', at('zero')),
  },
  'row 37: a socket': { path: 'socket', fate: 'P path' },
  'row 38: /proc/self/status': { path: '/proc/self/status', fate: 'P path' },
  'row 38: /proc/kmsg': { path: '/proc/kmsg', fate: 'P path' },
  'row 38: a file of /proc that says it has no bytes, in a root': {
    path: `${OWN_THREADS}/${process.pid}/status`,
    fate: 'P unsupported',
  },
  'row 39: a file that nobody may read, the superuser neither': {
    path: `${SETTINGS}/compact_memory`,
    fate: 'R3 denied',
  },
  'row 41: a NUL': { path: 'good.jpg\0.png', fate: 'P path' },
  'row 42: a path of more than 4096 bytes': { path: 'x/'.repeat(2100), fate: 'P path' },
  'row 42: a name of more than 255 bytes': { path: 'é'.repeat(128), fate: 'P path' },
  'row 43: a decomposed name for a composed file': {
    path: 'café.jpg'.normalize('NFD'),
    fate: 'OK',
    make: place('café.jpg'.normalize('NFC')),
  },
  'row 43: a composed name for a decomposed file': {
    path: 'naïve.jpg'.normalize('NFC'),
    fate: 'OK',
    make: place('naïve.jpg'.normalize('NFD')),
  },
  ...Object.fromEntries(
    Object.entries(ODD_NAMES).map(([what, name]): [string, Row] => [
      `row 44: a name with ${what}`,
      { path: name, fate: 'OK', make: place(name) },
    ]),
  ),
  'row 45: the replacement characters that JSON has for a name that is no UTF-8': {
    path: 'caf\ufffd.jpg',
    fate: 'R2 not_found',
    make: () => writeFileSync(Buffer.concat([Buffer.from(at('caf')), Buffer.from([0xe9]), Buffer.from('.jpg')]), photo),
  },
  'row 46: a file that is not there': { path: 'gone.jpg', fate: 'R2 not_found' },
  'row 47: half a file that was written just now': {
    path: 'uploading.jpg',
    fate: 'R3 decode',
    make: () => writeFileSync(at('uploading.jpg'), photo.subarray(0, 9000)),
  },
  'row 47: half a file that is whole at the next attempt': {
    path: 'uploaded.jpg',
    fate: 'OK',
    make: () => writeFileSync(at('uploaded.jpg'), photo.subarray(0, 9000)),
  },
  'row 48: a file of 500 MB': {
    path: 'large.jpg',
    fate: 'P too_large',
    make: () => {
      writeFileSync(at('large.jpg'), photo);
      truncateSync(at('large.jpg'), 500e6);
    },
  },
  'row 49: a sparse file of a terabyte': {
    path: 'sparse.jpg',
    fate: 'P too_large',
    make: () => {
      writeFileSync(at('sparse.jpg'), '');
      truncateSync(at('sparse.jpg'), 1e12);
    },
  },
  'row 50: a hard link': { path: 'hard.jpg', fate: 'OK', make: () => linkSync(at('good.jpg'), at('hard.jpg')) },
  'row 50: the same file under its first name': { path: './good.jpg', fate: 'OK' },
  'row 51: a name in another case': { path: 'GOOD.JPG', fate: 'R2 not_found' },
};

const OTHER_BYTES = 'row 45: a name that is no UTF-8 in the element itself';

let fates: JobFates;

beforeAll(async () => {
  mkdirSync(path.join(base, 'uploads-evil'));
  mkdirSync(root);
  for (const file of [at('good.jpg'), path.join(base, 'secret.jpg'), path.join(base, 'uploads-evil', 'a.jpg')])
    writeFileSync(file, photo);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(at('socket'), resolve));

  const cases: Record<string, JobCase> = {};
  for (const [index, [name, row]] of Object.entries(ROWS).entries()) {
    row.make?.();
    const id = String(index + 1);
    cases[name] = { id, element: Buffer.from(photoJob(id, typeof row.path === 'string' ? row.path : row.path())) };
  }
  cases[OTHER_BYTES] = { id: '999', element: Buffer.from(photoJob('999', 'caf\xe9.jpg'), 'latin1') };
  const mates = Object.keys(cases).map((_, index) => {
    const id = String(1000 + index);
    return { id, element: Buffer.from(photoJob(id, 'good.jpg')) };
  });
  const uploaded = cases['row 47: half a file that is whole at the next attempt']!.id;
  fates = await runJobs({
    cases,
    mates,
    runner: { models: [{ label: 'tiny', name: CLIP }], roots: [root, OWN_THREADS, SETTINGS, '/dev'] },
    onRetried: (id) => {
      if (id === uploaded) writeFileSync(at('uploaded.jpg'), photo);
    },
  });
});
afterAll(() => {
  server.close();
  rmSync(base, { recursive: true, force: true });
});

describe('a path of a job', () => {
  it.each(Object.entries(ROWS))('%s', (name, { fate }) => {
    expect(fates.of(name)).toBe(fate);
    // Where the photos lie is nobody's business who reads logs and dead letters.
    expect(fates.deadOf(name)?.note.error.message ?? '').not.toContain(base);
  });

  it('row 45: a name that is no UTF-8 in the element itself', () => {
    expect(fates.of(OTHER_BYTES)).toBe('P invalid');
    expect(fates.deadOf(OTHER_BYTES)?.note.rawBase64).toBeDefined();
  });

  it('does no harm to those in its batch', () => {
    expect(fates.lostMates).toEqual([]);
  });
});
