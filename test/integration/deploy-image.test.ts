import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { replayDockerfile, type Replayed } from '../support/dockerfile.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { readText } from '../support/markdown.js';
import { plainEnvironment, Program, ROOT } from '../support/program.js';
import { freePort, startRedis, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const BUILD_MS = 600_000;

interface Compose {
  readonly services: { readonly photos: { readonly healthcheck: { readonly test: readonly string[] } } };
}
/** `CMD`, and a program with its arguments. */
const [, ...probe] = (parse(readText('deploy/compose.yaml'), { merge: true }) as Compose).services.photos.healthcheck
  .test;

const reason = whyNot();
if (reason !== undefined) console.warn(`the image: skipped, since ${reason}`);

/** The steps need root for an owner, and a container's limits need a mount namespace. */
function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'only root on Linux can set a container’s limits';
  const { status } = spawnSync('unshare', ['-m', 'setpriv', '--reuid=1000', process.execPath, '--version']);
  return status === 0 ? undefined : 'this machine forbids mount namespaces, or others than root can’t run Node.js';
}

/**
 * As `read_only`, `cap_drop: ALL` and `no-new-privileges` have it: everything is mounted read-only but the cache.
 * Everything else of this machine is there, other than in a container.
 */
const CONFINE = `
mount --make-rprivate /
mount --bind "$CACHE" "$CACHE"
mount --bind "$IMAGE" "$IMAGE"
mount -o remount,bind,ro "$IMAGE"
mount -o remount,bind,ro /
exec setpriv --reuid="\${OWNER%:*}" --regid="\${OWNER#*:}" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"`;

describe.skipIf(reason !== undefined)('the image of deploy/Dockerfile, built without Docker', () => {
  let folder: string;
  let image: Replayed;
  let redis: RedisServer;
  let gallery: GalleryServer;
  let env: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-image-'));
    chmodSync(folder, 0o755);
    image = replayDockerfile(path.join(ROOT, 'deploy', 'Dockerfile'), ROOT, path.join(folder, 'stages'));
    // What a checkout has may be closed to others than its owner.
    for (const [from, to] of [
      [CLIP, 'model'],
      [path.join(IMAGES, 'gray.jpg'), 'photos/gray.jpg'],
    ] as const)
      cpSync(from, path.join(folder, to), { recursive: true });
    spawnSync('chmod', ['-R', 'a+rX', folder]);
    redis = await startRedis();
    gallery = await startGalleryServer();
    env = {
      ...image.env,
      REDIS_URL: redis.url,
      REDIS_QUEUE_NAME: `image_${randomUUID()}`,
      API_BASE_URL: gallery.url,
      PROCESSING_INTERNAL_TOKEN: gallery.token,
      PROCESSING_EMBEDDING_DIM: '64',
      CLIP_MODELS: `tiny=${path.join(folder, 'model')}`,
      PROJECT_ROOT: path.join(folder, 'photos'),
      CAPTION_ENABLED: '0',
      FACE_ENABLED: '0',
      HEALTH_PORT: String(await freePort()),
    };
  }, BUILD_MS);
  afterAll(async () => {
    await gallery.close();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A program of the image, with a container's limits. */
  function contained([command = '', ...args]: readonly string[]): Program {
    const inside = args.map((arg) => (arg.startsWith('/') ? path.join(image.root, arg) : arg));
    const program = command === 'node' ? process.execPath : command;
    const places = { CACHE: path.join(image.root, image.env['HF_HOME'] ?? ''), IMAGE: path.join(image.root, 'app') };
    return new Program('unshare', ['-m', 'sh', '-ec', CONFINE, 'sh', program, ...inside], {
      cwd: path.join(image.root, 'app'),
      env: plainEnvironment({ ...env, ...places, OWNER: image.user, HF_HOME: places.CACHE, HOME: '/nonexistent' }),
    });
  }
  const run = (...cmd: readonly string[]): Program => contained([...image.entrypoint, ...cmd]);
  /** The probe of the compose file. */
  const isAlive = (): Program => contained(probe.map((word) => word.replace('9464', env['HEALTH_PORT'] ?? '')));

  it('runs as a user that is a number and not root', () => {
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.cmd).toEqual(['photos']);
  });

  it.each(['photos', 'texts', 'serve'])('%s --help answers', async (command) => {
    const { ended, stdout, stderr } = await run(command, '--help').end();
    expect([ended, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: clip-runner ${command}`);
  });

  it('can write to the cache of models and nowhere else', async () => {
    const write = (place: string): Program =>
      contained(['node', '-e', `require('fs').writeFileSync(${JSON.stringify(place)}, '')`]);
    expect((await write(path.join(image.root, image.env['HF_HOME'] ?? '', 'x')).end()).ended).toBe(0);
    for (const place of [path.join(image.root, 'app', 'x'), path.join(folder, 'photos', 'x'), '/var/tmp/x']) {
      expect((await write(place).end()).stderr).toContain('EROFS');
    }
  });

  it('works on photos, is found alive, and stops in good order', async () => {
    const client = redis.client();
    expect((await isAlive().end()).ended).toBe(1);
    const runner = run(...image.cmd);
    await client.lpush(env['REDIS_QUEUE_NAME'] ?? '', photoJob(1, 'gray.jpg'));
    await until('the photo is called back', () => gallery.callbacksFor(1).length === 1);
    expect(await isAlive().end()).toMatchObject({ ended: 0, stderr: '' });
    runner.child.kill('SIGTERM');
    expect(await runner.end()).toMatchObject({ ended: 0 });
    expect((await isAlive().end()).ended).toBe(1);
  });

  it('is not taken for dead while Redis is away', async () => {
    env['REDIS_URL'] = 'redis://127.0.0.1:1/0';
    const runner = run(...image.cmd);
    await until('it is alive', async () => (await isAlive().end()).ended === 0);
    expect((await fetch(`http://127.0.0.1:${env['HEALTH_PORT']}/readyz`)).status).toBe(503);
    runner.child.kill('SIGTERM');
    await runner.end();
    env['REDIS_URL'] = redis.url;
  });
});
