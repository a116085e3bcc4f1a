// `clip-runner photos` with a real Redis and a real HTTP receiver; answers photos/s between two callbacks.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';

export async function measureCommand({ root, model, photos, batch, warmUp, count, redisUrl, dim }) {
  const queue = `bench_${process.pid}_${Date.now()}`;
  const redis = new Redis(redisUrl);
  const files = readdirSync(photos).sort();
  let startedAt = 0;
  let done = 0;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const server = createServer(async (request, response) => {
    request.resume();
    await once(request, 'end');
    response.writeHead(200).end();
    done += 1;
    if (done === warmUp) startedAt = performance.now();
    if (done === warmUp + count) finish(performance.now());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const elements = Array.from({ length: warmUp + count }, (_, i) =>
    JSON.stringify({ photo_id: i + 1, user_id: 1, path: files[i % files.length], tasks: ['clip'] }),
  );
  await redis.lpush(queue, ...elements);
  const child = spawn(process.execPath, [path.join(root, 'dist', 'cli.js'), 'photos'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      REDIS_URL: redisUrl,
      REDIS_QUEUE_NAME: queue,
      API_BASE_URL: `http://127.0.0.1:${server.address().port}`,
      PROCESSING_INTERNAL_TOKEN: 'bench',
      PROCESSING_EMBEDDING_DIM: String(dim),
      CLIP_MODELS: `bench=${model}`,
      CLIP_MAX_BATCH: String(batch),
      PROJECT_ROOT: photos,
      CAPTION_ENABLED: '0',
      LOG_LEVEL: 'warn',
    },
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors += data));
  const died = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`clip-runner photos ended with ${code}: ${errors}`)),
  );
  try {
    const endedAt = await Promise.race([finished, died]);
    return (count / (endedAt - startedAt)) * 1000;
  } finally {
    died.catch(() => undefined);
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await redis.del(queue);
    await redis.quit();
    server.close();
  }
}
