import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Redis } from 'ioredis';

/** The port of a node's cluster bus is so much higher than its own. */
const CLUSTER_BUS = 10_000;
const MOST_TRIES = 3;

class EndedAtOnce extends Error {}

export interface RedisServerOptions {
  /** Further lines of configuration, as arguments: `{ appendonly: 'yes' }`. */
  readonly config?: Readonly<Record<string, string>>;
  /**
   * The only address that it listens on.
   * @default '127.0.0.1'
   */
  readonly host?: string;
  /** Makes it a Sentinel with these lines of configuration. */
  readonly sentinel?: readonly string[];
}

/** A redis-server of one's own: on a free port, with a folder of its own, without saving. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** A new client; closed by `stop()`. */
  client(): Redis;
  /** `SIGSTOP`: it is silent, its connections stay open; `SIGCONT`: it goes on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends the process the hard way; what it saved stays, and `start()` reads it again on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends clients and process and removes the folder. */
  stop(): Promise<void>;
}

/**
 * Starts a private redis-server. For tests that need a server of their own (configuration, faults, restarts).
 * @throws where there is no redis-server on the PATH.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  // Between the look for a free port and the start somebody else may have taken it, or that of the cluster bus.
  for (let left = MOST_TRIES - 1; ; left -= 1) {
    try {
      return await startRedisOnce(options);
    } catch (error) {
      if (left === 0 || !(error instanceof EndedAtOnce)) throw error;
    }
  }
}

async function startRedisOnce(options: RedisServerOptions): Promise<RedisServer> {
  const { config = {}, host = '127.0.0.1', sentinel } = options;
  const folder = await mkdtemp(join(tmpdir(), 'clip-runner-redis-'));
  const port = await freePort(config['cluster-enabled'] === 'yes' ? CLUSTER_BUS : 0, host);
  const url = `redis://${host}:${port}/0`;
  const clients: Redis[] = [];
  let child: ChildProcess | undefined;

  const settings = { port: String(port), bind: host, dir: folder, save: '', appendonly: 'no', ...config };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const sentinelFile = join(folder, 'sentinel.conf');
  if (sentinel) {
    const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...sentinel];
    await writeFile(sentinelFile, lines.join('\n'));
    args.splice(0, args.length, sentinelFile, '--sentinel');
  }

  // Also where the tests end without stopping it.
  const killNow = (): void => void child?.kill('SIGKILL');
  process.once('exit', killNow);

  const kill = async (): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  const start = async (): Promise<void> => {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    await once(child, 'spawn').catch((error: unknown) => {
      throw missing(error);
    });
    await untilAnswering(url, child);
  };

  try {
    await start();
  } catch (error) {
    process.off('exit', killNow);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    port,
    kill,
    start,
    signal: (name) => void child?.kill(name),
    client: () => {
      const client = new Redis(url, { lazyConnect: false, maxRetriesPerRequest: null });
      // Some tests take the server away; what fails is seen by the command.
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    stop: async () => {
      for (const client of clients) client.disconnect();
      await kill();
      process.off('exit', killNow);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A server that may be shared: the one of `REDIS_URL` where that is set, else a private one. Use names of one's own in it,
 * and no command that other users of it would feel.
 */
export async function useRedis(): Promise<Pick<RedisServer, 'url' | 'client' | 'stop'>> {
  const url = process.env['REDIS_URL'];
  if (!url) return startRedis();
  const clients: Redis[] = [];
  return {
    url,
    client: () => {
      const client = new Redis(url);
      clients.push(client);
      return client;
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.quit()));
    },
  };
}

async function untilAnswering(url: string, child: ChildProcess): Promise<void> {
  const probe = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  probe.on('error', () => undefined);
  const exit = once(child, 'exit').then(([code]) =>
    Promise.reject(new EndedAtOnce(`redis-server ended with ${String(code)}`)),
  );
  try {
    await Promise.race([probe.ping(), exit]);
  } finally {
    exit.catch(() => undefined);
    probe.disconnect();
  }
}

/** A port that nobody listens on, and neither on the one that is so much higher. */
export async function freePort(offset = 0, host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    if (offset === 0 || (port + offset <= 65_535 && (await isFree(port + offset)))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const isListening = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]);
  if (isListening) {
    server.close();
    await once(server, 'close');
  }
  return isListening;
}

function missing(cause: unknown): Error {
  const advice =
    'These tests need Redis: install redis-server (6.2 or newer), or set REDIS_URL for those that can share one.';
  return new Error(advice, { cause });
}
