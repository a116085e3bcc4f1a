import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GALLERY, GALLERY_PHOTOS, galleryPhotos, photosOfPeople } from '../support/demo-people.js';
import { plainEnvironment, Program, ROOT, runNode, type Ending } from '../support/program.js';
import { keysLeft } from '../support/queue-left.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const PHOTOS = path.join(ROOT, 'examples', 'photos');
const lines = (text: string): string[] => text.trimEnd().split('\n');

describe('the examples', () => {
  it('are all run by this file', () => {
    const names = readdirSync(path.join(ROOT, 'examples')).sort();
    expect(names).toEqual([
      '01-hello.js',
      '02-redis.js',
      '03-embed-in-a-backend.js',
      '04-own-task',
      '05-own-sink.js',
      'demo-gallery',
      'gallery',
      'photos',
    ]);
  });

  it('01-hello embeds two photos in at most 20 lines of code', async () => {
    const { ended, stdout, stderr } = await runNode(['examples/01-hello.js']);
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(lines(stdout).sort()).toEqual([
      '/api/internal/photos/1/ml_result tiny 64 numbers',
      '/api/internal/photos/2/ml_result tiny 64 numbers',
    ]);
    const code = lines(readFileSync(path.join(ROOT, 'examples', '01-hello.js'), 'utf8')).filter(
      (line) => line !== '' && !line.startsWith('//'),
    );
    expect(code.length).toBeLessThanOrEqual(20);
  });

  it('04-own-task tells the average colour of three photos', async () => {
    const { ended, stdout, stderr } = await runNode(['examples/04-own-task/main.js']);
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    const colours = new Map(lines(stdout).map((line) => line.split(' ') as [string, string]));
    expect([...colours.keys()].sort()).toEqual(['brick.jpg', 'chelsea.jpg', 'hubble.jpg']);
    // A grey wall, a ginger cat, the night sky.
    const [wall, cat, sky] = ['brick.jpg', 'chelsea.jpg', 'hubble.jpg'].map((name) => rgb(colours.get(name)));
    expect(Math.max(...wall!) - Math.min(...wall!)).toBeLessThan(3);
    expect(cat![0]! - cat![2]!).toBeGreaterThan(30);
    expect(Math.max(...sky!)).toBeLessThan(40);
  });

  it('05-own-sink finds its embedding in the file that its sink wrote', async () => {
    const { ended, stdout, stderr } = await runNode(['examples/05-own-sink.js']);
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(stdout).toBe('photo 1 written with 64 numbers\n');
  });
});

describe('02-redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());

  it('posts what can be read, buries what cannot, and leaves nothing in Redis', async () => {
    const env = plainEnvironment({ REDIS_URL: redis.url });
    const { ended, stdout, stderr } = await runNode(['examples/02-redis.js'], { env });
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(lines(stdout).sort()).toEqual([
      '/api/internal/photos/1/ml_result image 64 numbers',
      '/api/internal/photos/2/ml_result image 64 numbers',
      'dead letter: not_found for no-such-photo.jpg',
    ]);
    expect(await keysLeft(redis.client())).toEqual([]);
  });
});

describe('03-embed-in-a-backend', () => {
  let backend: Program;
  let embedUrl: string;
  beforeEach(async () => {
    backend = new Program(process.execPath, ['examples/03-embed-in-a-backend.js']);
    embedUrl = await backend.prints(/http:\/\/127\.0\.0\.1:\d+\/embed/);
  });
  afterEach(() => void backend.child.kill('SIGKILL'));

  const post = async (body: string | Buffer, type: string): Promise<Response> =>
    fetch(embedUrl, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers: { 'content-type': type } });
  const photo = (name: string): Buffer => readFileSync(path.join(PHOTOS, name));

  it('embeds pictures that come together, and ends with 0 on SIGTERM', async () => {
    const answers = await Promise.all([
      post(photo('chelsea.jpg'), 'image/jpeg'),
      post(photo('gravel.webp'), 'image/webp'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const answer of answers) {
      const { embedding } = (await answer.json()) as { embedding: number[] };
      expect(embedding).toHaveLength(64);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
    }
    backend.child.kill('SIGTERM');
    expect(await backend.end()).toMatchObject({ ended: 0, stderr: '' });
  });

  it('answers 422 with the code of the failure to what is no picture', async () => {
    const answer = await post('certainly not a picture', 'image/jpeg');
    expect(answer.status).toBe(422);
    expect(await answer.json()).toEqual({ error: 'IMAGE_UNSUPPORTED' });
  });

  it('never takes a text for the path of a file on its machine', async () => {
    const secret = path.join(PHOTOS, 'chelsea.jpg');
    for (const type of ['text/plain', 'application/json', 'application/octet-stream']) {
      expect((await post(type.endsWith('json') ? JSON.stringify(secret) : secret, type)).status).toBe(415);
    }
    expect((await fetch(embedUrl, { method: 'POST' })).status).toBe(415);
  });
});

const SENTENCES = ['a cat on the beach', 'a robot in the kitchen'];

const DEMO = [
  ...['dist/cli.js', 'demo', '--photos', GALLERY_PHOTOS, '--model', path.join(GALLERY, 'model')],
  ...['--faces', path.join(GALLERY, 'faces'), '--ask', ...SENTENCES],
];

describe('the demo', () => {
  const demo = (env = plainEnvironment()): Promise<Ending> => runNode([...DEMO, '--exit'], { env });

  /** The photos of the table's rows that show a callback and three neighbours. */
  const rows = (stdout: string): string[] =>
    lines(stdout)
      .map((line) => /^(\S+) +\d+ ms  \S+ -?\d\.\d\d, \S+ -?\d\.\d\d, \S+ -?\d\.\d\d$/.exec(line)?.[1])
      .filter((name) => name !== undefined);

  /** The first photo that a sentence found. */
  const found = (stdout: string, sentence: string): string | undefined =>
    lines(stdout)
      .map((line) => line.split(`"${sentence}" → `)[1])
      .find((answer) => answer !== undefined)
      ?.split(' ')[0];

  it('takes 80 photos through the embedded queue, each decoded once, and shows a row for the first twelve', async () => {
    const { ended, stdout, stderr } = await demo();
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(galleryPhotos).toHaveLength(80);
    expect(rows(stdout)).toEqual(galleryPhotos.slice(0, 12));
    expect(stdout).toContain('the embedded queue');
    expect(stdout).toMatch(/^160 callbacks for 80 photos in \d+ ms: 80 decodings, /m);
  });

  it('finds the photos that sentences mean', async () => {
    const { stdout } = await demo();
    expect(found(stdout, 'a cat on the beach')).toMatch(/cat-on-the-beach/);
    expect(found(stdout, 'a robot in the kitchen')).toMatch(/robots?-in-the-kitchen/);
  });

  it('makes an album of each person', async () => {
    const { stdout } = await demo();
    const albums = [...stdout.matchAll(/^ +person \d+ \((\d+)\): (.+)$/gm)].map(([, count, files = '']) => {
      expect(files.split(', ')).toHaveLength(Number(count));
      return files;
    });
    expect(albums.sort()).toEqual([...photosOfPeople().values()].map((files) => [...files].sort().join(', ')).sort());
  });

  it('goes on without a photo that fails, and says so', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-demo-'));
    try {
      for (const file of ['a-cat-on-the-beach.jpg', 'anna-in-the-city.jpg'])
        await copyFile(path.join(GALLERY_PHOTOS, file), path.join(folder, file));
      await writeFile(path.join(folder, 'broken.jpg'), 'no picture');
      const { ended, stdout, stderr } = await runNode([...DEMO, '--exit', '--photos', folder]);
      expect(stderr).toBe('');
      expect(ended).toBe(0);
      expect(stdout).toMatch(/^broken\.jpg failed: /m);
      expect(stdout).toContain('1 of 3 photos failed');
      expect(found(stdout, 'a cat on the beach')).toBe('a-cat-on-the-beach.jpg');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('goes the way through Redis where REDIS_URL is set, and leaves nothing there', async () => {
    const redis = await startRedis();
    try {
      const { ended, stdout, stderr } = await demo(plainEnvironment({ REDIS_URL: redis.url }));
      expect(stderr).toBe('');
      expect(ended).toBe(0);
      expect(stdout).toContain('jobs go into Redis');
      expect(stdout).toContain('160 callbacks for 80 photos');
      expect(await keysLeft(redis.client())).toEqual([]);
    } finally {
      await redis.stop();
    }
  });

  it('says in one line that there is no Redis at REDIS_URL', async () => {
    const redis = await startRedis();
    await redis.stop();
    const { ended, stderr } = await demo(plainEnvironment({ REDIS_URL: redis.url }));
    expect(ended).toBe(1);
    expect(lines(stderr)).toEqual([expect.stringMatching(/^clip-runner: No Redis took the jobs .*REDIS_URL/)]);
  });

  it('answers typed sentences and paths unless told to exit, and ends with 0 at the end of its input', async () => {
    const picture = path.join(GALLERY_PHOTOS, 'a-cat-on-the-beach.jpg');
    const program = new Program(process.execPath, DEMO, { stdin: 'pipe' });
    program.child.stdin?.end(`a penguin in the desert\n${picture}\n`);
    const { ended, stdout, stderr } = await program.end();
    expect(stdout).toMatch(/^(?:> )*(?:a|two|three)-penguins?-in-the-desert/m);
    expect(stdout).toMatch(/^(?:> )*a-cat-on-the-beach\.jpg 1\.00, /m);
    expect(stderr).toBe('');
    expect(ended).toBe(0);
  });
});

function rgb(colour: string | undefined): number[] {
  const [, ...parts] = /^#(..)(..)(..)$/.exec(colour ?? '') ?? [];
  return parts.map((part) => Number.parseInt(part, 16));
}
