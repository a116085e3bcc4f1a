import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { cosine, photoJob } from '../support/fixtures.js';
import { startGalleryServer } from '../support/gallery-server.js';
import { startRedis } from '../support/redis-server.js';

/** The whole reference set lies beside a checkout of the project's own; a user's clone has only `test/fixtures`. */
const REFERENCE = fileURLToPath(new URL('../../../shared/reference', import.meta.url));
const isHere = existsSync(REFERENCE);

interface Golden {
  readonly strict: boolean;
  readonly [view: string]: unknown;
}

describe.runIf(isHere)('clip-runner photos on the whole reference set', () => {
  it.each(['exact', 'fast'])(
    'gives the golden embedding of every picture with resample %s',
    { timeout: 300_000 },
    async (resample) => {
      const redis = await startRedis();
      const gallery = await startGalleryServer();
      const client = redis.client();
      const queue = `reference_${randomUUID()}`;
      const images = readdirSync(path.join(REFERENCE, 'images')).filter((name) => /\.\w+$/.test(name));
      const bad = readdirSync(path.join(REFERENCE, 'images', 'bad'));
      const jobs = [...images, ...bad.map((name) => `bad/${name}`)].map((name, index) =>
        photoJob(index + 1, `images/${name}`),
      );
      await client.lpush(queue, ...jobs);
      const command = new CommandProcess(['photos'], {
        REDIS_URL: redis.url,
        REDIS_QUEUE_NAME: queue,
        API_BASE_URL: gallery.url,
        PROCESSING_INTERNAL_TOKEN: gallery.token,
        PROCESSING_EMBEDDING_DIM: '64',
        CLIP_MODELS: `clip-tiny=${path.join(REFERENCE, 'models', 'clip-tiny')}`,
        PROJECT_ROOT: REFERENCE,
        CLIP_RESAMPLE: resample,
      });
      try {
        while (gallery.callbacks.length < images.length || (await client.llen(`${queue}_dlq`)) < bad.length) {
          expect(command.child.exitCode, command.stderr).toBeNull();
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        expect(await command.kill('SIGTERM')).toBe(0);

        const golden = (
          JSON.parse(readFileSync(path.join(REFERENCE, 'golden', 'clip-tiny.json'), 'utf8')) as {
            images: Record<string, Golden>;
          }
        ).images;
        const cosines = new Map<string, number>();
        images.forEach((name, index) => {
          const callbacks = gallery.callbacksFor(index + 1);
          expect(callbacks, name).toHaveLength(1);
          const embedding = callbacks[0]?.body['embedding'] as number[];
          const facts = golden[name];
          if (facts === undefined) throw new Error(`no golden of ${name}`);
          const views = Object.keys(facts).filter((key) => key.startsWith('embedding'));
          const wanted = facts.strict ? [views.includes('embedding_exif') ? 'embedding_exif' : 'embedding'] : views;
          cosines.set(name, Math.max(...wanted.map((view) => cosine(embedding, facts[view] as number[]))));
        });
        const strict = [...cosines].filter(([name]) => golden[name]?.strict === true);
        const values = strict.map(([, value]) => value);
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        const [worst] = strict.sort((a, b) => a[1] - b[1]);
        console.log(
          `resample ${resample}: ${values.length} strict pictures, cosine minimum ${worst?.[1].toFixed(6)} (${worst?.[0]}), mean ${mean.toFixed(7)}`,
        );
        // Only the fast mode lets the decoder shrink, and only large JPEGs.
        expect(worst?.[1]).toBeGreaterThanOrEqual(resample === 'exact' ? 0.9999 : 0.9995);

        const dead = (await client.lrange(`${queue}_dlq`, 0, -1)).map(
          (entry) => JSON.parse(entry) as { photo_id: number; path: string; _runner: { reason: string } },
        );
        console.log(dead.map((entry) => `${path.basename(entry.path)}: ${entry._runner.reason}`).join(', '));
        for (const [index, name] of bad.entries()) {
          const own = jobs[images.length + index];
          const entry = dead.find(({ path: file }) => file === `images/bad/${name}`);
          const { _runner, ...rest } = entry ?? { _runner: { reason: '' } };
          expect(JSON.stringify(rest), name).toBe(own);
          expect(_runner.reason, name).not.toBe('');
        }
      } finally {
        await command.kill('SIGKILL');
        await gallery.close();
        await redis.stop();
      }
    },
  );
});

it.runIf(!isHere)('the whole reference set is not here: the fixtures of the repository stand in for it', () => {
  expect(existsSync(fileURLToPath(new URL('../fixtures/images', import.meta.url)))).toBe(true);
});
