// One side of a bench of photos: a program that takes jobs from a Redis list and posts what it found. It is started for each
// round, so that the time to its first callback and its peak memory belong to that round.
import { readdirSync } from 'node:fs';
import { watchMemory } from './memory-peak.js';
import { startPhotos } from './photos-command.js';

/**
 * Answers `{ rate, firstMs, pss, rss, callbacks }`: photos/s from the photo that ends the warm-up to the last one that counts,
 * the time from the start of the process to its first callback, peaks of memory in MiB, and the callbacks of the first
 * photo of each file. A photo is done with the last of its `perPhoto` callbacks. Behind those that count there are `leftOver` more, so
 * that there is as much in hand at the end as at the beginning.
 */
export async function measureSide(options) {
  const { root, redisUrl, command, env, photos, tasks, perPhoto = 1, warmUp, count, leftOver } = options;
  const files = readdirSync(photos).sort();
  const elements = Array.from({ length: warmUp + count + leftOver }, (_, i) =>
    JSON.stringify({ photo_id: i + 1, user_id: 1, path: files[i % files.length], tasks }),
  );
  const bodies = [];
  const missing = new Map();
  let [firstAt, warmAt, photosDone] = [0, 0, 0];
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const runner = await startPhotos({
    root,
    redisUrl,
    command,
    elements,
    env: { ...env, PROJECT_ROOT: photos },
    onCallback(done, url, body) {
      const now = performance.now();
      if (done === 1) firstAt = now;
      const photo = photoOf(url);
      if (Number(photo) <= files.length) bodies.push({ url, body });
      const left = (missing.get(photo) ?? perPhoto) - 1;
      missing.set(photo, left);
      if (left !== 0) return;
      photosDone += 1;
      if (photosDone === warmUp) warmAt = now;
      if (photosDone === warmUp + count) finish(now);
    },
  });
  const memory = watchMemory(runner.pid);
  try {
    const endedAt = await Promise.race([finished, runner.died]);
    const rate = (count / (endedAt - warmAt)) * 1000;
    return {
      rate,
      firstMs: firstAt - runner.startedAt,
      ...memory.stop(),
      callbacks: bodies.map(({ url, body }) => ({ url, ...JSON.parse(body) })),
    };
  } finally {
    memory.stop();
    await runner.stop();
  }
}

/** Image embeddings by photo. */
export function vectorsOf(callbacks) {
  const images = callbacks.filter(({ modality }) => modality === 'image');
  return Object.fromEntries(images.map(({ url, embedding }) => [photoOf(url), embedding]));
}

function photoOf(url) {
  return /photos\/(\d+)\//.exec(url)[1];
}

/** Cosines of the photos that both have. */
export function cosines(left, right) {
  const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);
  return Object.keys(left)
    .filter((photo) => photo in right)
    .map((photo) => dot(left[photo], right[photo]))
    .sort((a, b) => a - b);
}
