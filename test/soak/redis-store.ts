import { readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import type { Dice } from './random.js';

/** The most that a power cut takes from the end of the log. */
const MAX_CUT_BYTES = 256 * 1024;

/**
 * A Redis with the persistence that docs/operating.md recommends, which loses power now and then.
 *
 * `appendfsync everysec` is what the promise needs. What the log loses of a runner's moves is done again; what it loses of
 * a producer's pushes is gone, and only `always` would save it. So pushes are in the log before the power goes, and the
 * cut never reaches back to them.
 */
export class SoakRedis {
  readonly server: RedisServer;
  readonly client: Redis;
  readonly #log: string;
  /** Bytes of the log that hold pushes. */
  #pushedBytes = 0;
  #isUp = true;
  #pushing: Promise<void> = Promise.resolve();
  restarts = 0;
  cutBytes = 0;

  private constructor(server: RedisServer, client: Redis, log: string) {
    this.server = server;
    this.client = client;
    this.#log = log;
  }

  static async start(): Promise<SoakRedis> {
    const config = { appendonly: 'yes', appendfsync: 'everysec', 'auto-aof-rewrite-percentage': '0' };
    const server = await startRedis({ config });
    const client = server.client();
    const [, folder = ''] = await client.config('GET', 'dir');
    const logs = path.join(folder, 'appendonlydir');
    const log = (await readdir(logs)).find((name) => name.endsWith('.incr.aof'));
    if (log === undefined) throw new Error(`no log of Redis in ${logs}`);
    return new SoakRedis(server, client, path.join(logs, log));
  }

  /** Pushes elements; does nothing while the server is down. Answers whether it did. */
  async push(queue: string, elements: readonly string[]): Promise<boolean> {
    if (!this.#isUp) return false;
    this.#pushing = this.client.lpush(queue, ...elements).then(async () => {
      // Until the log's file has it: with `everysec` a write may wait for the disk.
      while (Number(/aof_buffer_length:(\d+)/.exec(await this.client.info('persistence'))?.[1]) > 0) await pause(20);
      this.#pushedBytes = (await stat(this.#log)).size;
    });
    await this.#pushing;
    return true;
  }

  /** Kills the server, takes some of the end of its log away, and starts it again after a while. */
  async losePower(dice: Dice): Promise<void> {
    this.#isUp = false;
    await this.#pushing;
    await pause(dice.between(300, 1000));
    await this.server.kill();
    const { size } = await stat(this.#log);
    const cut = Math.floor(dice.between(0, Math.min(MAX_CUT_BYTES, size - this.#pushedBytes)));
    await truncate(this.#log, size - cut);
    this.cutBytes += cut;
    await pause(dice.between(100, 2500));
    await this.server.start();
    this.restarts += 1;
    this.#isUp = true;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
