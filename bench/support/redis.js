// A Redis for a bench alone, never the one of REDIS_URL: a bench counts what the server does.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { ensureRedis } from '../../scripts/redis.mjs';
import { endChild, ended, removeFolder, startChild, temporaryFolder } from './children.js';

/** `settings`: further lines of the server's configuration. Where there is no `redis-server`, it ends the bench and says so. */
export async function startBenchRedis(settings = {}) {
  ensureRedis();
  const port = await freePort();
  const dir = temporaryFolder('bench-redis-');
  const lines = { port: String(port), bind: '127.0.0.1', dir, save: '', appendonly: 'no', ...settings };
  const args = Object.entries(lines).flatMap(([name, value]) => [`--${name}`, value]);
  const server = startChild('redis-server', args, { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}/0`;
  const client = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  const early = ended(server).then((how) => {
    throw new Error(`redis-server ended with ${how}`);
  });
  early.catch(() => undefined);
  await Promise.race([client.ping(), early]);
  await client.quit();
  return {
    url,
    async stop() {
      await endChild(server);
      removeFolder(dir);
    },
  };
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
