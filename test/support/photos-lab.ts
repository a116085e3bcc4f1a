import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { CommandProcess } from './command.js';
import { startGalleryServer, type GalleryServer } from './gallery-server.js';
import { startRedis, type RedisServer } from './redis-server.js';
import { until } from './until.js';

/** `clip-runner photos` with a Redis of its own; for each test a gallery's server and a home folder of their own. */
export class PhotosLab {
  #redis: RedisServer | undefined;
  #client: Redis | undefined;
  #gallery: GalleryServer | undefined;
  #home = '';
  readonly #env: Readonly<Record<string, string>>;
  readonly #started: CommandProcess[] = [];

  /** To be called where hooks may be. `env`: what all commands get. */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
    beforeAll(async () => {
      this.#redis = await startRedis();
      this.#client = this.#redis.client();
    });
    afterAll(() => this.#redis?.stop());
    beforeEach(async () => {
      this.#gallery = await startGalleryServer();
      this.#home = await mkdtemp(path.join(tmpdir(), 'photos-'));
    });
    afterEach(async () => {
      await Promise.all(this.#started.splice(0).map((command) => command.kill('SIGKILL')));
      await this.#gallery?.close();
      await rm(this.#home, { recursive: true, force: true });
    });
  }

  get client(): Redis {
    return there(this.#client);
  }

  get redisUrl(): string {
    return there(this.#redis).url;
  }

  get gallery(): GalleryServer {
    return there(this.#gallery);
  }

  /** Where photos, insightface's packs and the cache of models are. */
  get home(): string {
    return this.#home;
  }

  photos(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): CommandProcess {
    const command = new CommandProcess(['photos', ...args], {
      REDIS_URL: there(this.#redis).url,
      REDIS_QUEUE_NAME: `photos_${randomUUID()}`,
      API_BASE_URL: this.gallery.url,
      PROCESSING_INTERNAL_TOKEN: this.gallery.token,
      PROJECT_ROOT: this.#home,
      HOME: this.#home,
      ...this.#env,
      ...env,
    });
    this.#started.push(command);
    return command;
  }

  /** Resolves when the gallery has taken so many callbacks. */
  async delivered(count: number): Promise<void> {
    await until(`the gallery has ${count} callbacks`, () => this.gallery.callbacks.length >= count);
  }
}

/** The line `ready` comes after `model ready`. */
export async function readiness(command: CommandProcess): Promise<void> {
  const isReady = (): boolean => command.log.some(({ msg }) => msg === 'ready');
  while (!isReady()) {
    expect(command.child.exitCode, command.stderr).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The tasks of the models that it has opened, in order. */
export const modelsOf = (command: CommandProcess): readonly unknown[] =>
  command.log.filter(({ msg }) => msg === 'model ready').map(({ task }) => task);

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the lab is open only while tests run');
  return value;
}
