import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import dotenv from 'dotenv';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { VARIABLES } from '../../src/cli/variables.js';
import { CommandProcess } from '../support/command.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer } from '../support/gallery-server.js';
import { type Ending, ROOT, runNode } from '../support/program.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-init-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const init = (...args: readonly string[]): Promise<Ending> =>
  runNode([path.join(ROOT, 'dist', 'cli.js'), 'init', ...args], { cwd: folder });
const read = (file = '.env'): Promise<string> => readFile(path.join(folder, file), 'utf8');

it('writes every setting with its default and its meaning, for dotenv to read, for its owner alone', async () => {
  const { ended, stdout, stderr } = await init();
  expect([ended, stderr]).toEqual([0, '']);
  expect(stdout).toContain('Wrote .env. Next: set PROCESSING_INTERNAL_TOKEN');
  const text = await read();
  const defaults = Object.fromEntries(Object.values(VARIABLES).map(({ env, default: value }) => [env, value]));
  expect(dotenv.parse(text.replaceAll(/^#(?=[A-Z])/gm, ''))).toEqual(defaults);
  // What is set as it stands changes nothing.
  for (const [name, value] of Object.entries(dotenv.parse(text))) expect(defaults[name]).toBe(value);
  for (const { help } of Object.values(VARIABLES)) expect(text.replaceAll('\n# ', ' ')).toContain(help);
  expect((await stat(path.join(folder, '.env'))).mode & 0o777).toBe(0o600);
});

it('leaves a file that is there as it is, unless it is forced', async () => {
  await writeFile(path.join(folder, '.env'), 'REDIS_URL=mine\n');
  const refused = await init();
  expect(refused.ended).toBe(2);
  expect(refused.stderr).toContain('.env is there already, and was left as it is');
  expect(await read()).toBe('REDIS_URL=mine\n');
  expect((await init('other.env')).ended).toBe(0);
  expect((await init('--force')).ended).toBe(0);
  expect(await read()).toBe(await read('other.env'));
  const nowhere = await init(path.join('no', 'such', 'folder', '.env'));
  expect([nowhere.ended, nowhere.stderr.split('\n')]).toEqual([2, [expect.stringContaining('ENOENT'), '']]);
});

it('filled in, it starts the command', async () => {
  const [redis, gallery] = await Promise.all([startRedis(), startGalleryServer()]);
  try {
    await init();
    const queue = `photos_${randomUUID()}`;
    const mine: Readonly<Record<string, string>> = {
      REDIS_URL: redis.url,
      API_BASE_URL: gallery.url,
      PROCESSING_INTERNAL_TOKEN: gallery.token,
      CLIP_MODELS: `tiny=${CLIP}`,
      PROCESSING_EMBEDDING_DIM: '64',
      PROJECT_ROOT: IMAGES,
      REDIS_QUEUE_NAME: queue,
      HEALTH_PORT: '0',
    };
    let text = await read();
    for (const [name, value] of Object.entries(mine)) {
      expect(text).toMatch(new RegExp(`^#?${name}=`, 'm'));
      text = text.replace(new RegExp(`^#?${name}=.*$`, 'm'), () => `${name}=${value}`);
    }
    await writeFile(path.join(folder, '.env'), text);
    const command = new CommandProcess(['photos'], { FACE_ENABLED: '0' }, folder);
    try {
      await command.logged('health port opened');
      await redis.client().lpush(queue, photoJob(1, 'gray.jpg'));
      await until('the photo is called back', () => gallery.callbacksFor(1).length === 1, 60_000);
    } finally {
      expect(await command.kill('SIGTERM')).toBe(0);
    }
  } finally {
    await gallery.close();
    await redis.stop();
  }
});
