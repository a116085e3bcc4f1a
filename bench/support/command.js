// `clip-runner photos` with a real Redis and a real HTTP receiver; answers photos/s between two callbacks.
import { readdirSync } from 'node:fs';
import { startPhotos } from './photos-command.js';
import { LEFT_OVER_BATCHES } from './steady.js';

export async function measureCommand({ root, model, photos, batch, warmUp, count, redisUrl, dim, device = 'auto' }) {
  const files = readdirSync(photos).sort();
  let startedAt = 0;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const runner = await startPhotos({
    root,
    redisUrl,
    env: {
      PROCESSING_EMBEDDING_DIM: String(dim),
      CLIP_MODELS: `bench=${model}`,
      CLIP_MAX_BATCH: String(batch),
      CLIP_DEVICE: device,
      CLIP_TUNING: 'off',
      PROJECT_ROOT: photos,
      CAPTION_ENABLED: '0',
    },
    onCallback(done) {
      if (done === warmUp) startedAt = performance.now();
      if (done === warmUp + count) finish(performance.now());
    },
  });
  const total = warmUp + count + LEFT_OVER_BATCHES * batch;
  const elements = Array.from({ length: total }, (_, i) =>
    JSON.stringify({ photo_id: i + 1, user_id: 1, path: files[i % files.length], tasks: ['clip'] }),
  );
  try {
    await runner.redis.lpush(runner.queue, ...elements);
    const endedAt = await Promise.race([finished, runner.died]);
    return (count / (endedAt - startedAt)) * 1000;
  } finally {
    await runner.stop();
  }
}
