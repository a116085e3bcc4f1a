// `clip-runner photos`, or a program that takes its place, with a receiver for its callbacks and a list of its own.
import { once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';
import { Redis } from 'ioredis';
import { endChild, ended, startChild } from './children.js';

/**
 * `onCallback(count, url, body)` is called with each callback. `elements` are in the list before the program starts.
 * What it says on stderr is shown if it ends by itself.
 */
export async function startPhotos({ root, redisUrl, env, command, elements = [], onCallback = () => undefined }) {
  const queue = `bench_${process.pid}_${Date.now()}`;
  const redis = new Redis(redisUrl);
  let count = 0;
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(200).end();
    count += 1;
    onCallback(count, request.url, Buffer.concat(chunks));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  if (elements.length > 0) await redis.lpush(queue, ...elements);
  const [program, ...args] = command ?? [process.execPath, path.join(root, 'dist', 'cli.js'), 'photos'];
  const startedAt = performance.now();
  const child = startChild(program, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      REDIS_URL: redisUrl,
      REDIS_QUEUE_NAME: queue,
      API_BASE_URL: `http://127.0.0.1:${server.address().port}`,
      PROCESSING_INTERNAL_TOKEN: 'bench',
      LOG_LEVEL: 'warn',
      ...env,
    },
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors = (errors + data).slice(-10_000)));
  /** Rejects when the command ends before it is told to. */
  const died = ended(child).then((how) =>
    Promise.reject(new Error(`${path.basename(program)} ${args.join(' ')} ended with ${how}: ${errors}`)),
  );
  died.catch(() => undefined);
  return {
    queue,
    redis,
    died,
    startedAt,
    pid: child.pid,
    callbacks: () => count,
    async stop() {
      await endChild(child);
      // Jobs that are left over, in whatever list.
      const left = await redis.keys(`*${queue}*`);
      if (left.length > 0) await redis.del(left);
      await redis.quit();
      server.close();
      server.closeAllConnections();
    },
  };
}
