import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { childrenOf, isAlive } from '../support/children.js';
import type { CommandProcess } from '../support/command.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { PhotosLab, readiness } from '../support/photos-lab.js';
import { queueLeft } from '../support/queue-left.js';
import { until } from '../support/until.js';

const lab = new PhotosLab({ PROCESSING_EMBEDDING_DIM: '64', CLIP_MODELS: `tiny=${CLIP}`, PROJECT_ROOT: IMAGES });

const childOf = (command: CommandProcess): number => {
  const [child, ...others] = childrenOf(command.child.pid ?? 0);
  expect(others).toEqual([]);
  return child ?? 0;
};

async function ready(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<CommandProcess> {
  const command = lab.photos(env, args);
  await readiness(command);
  return command;
}

describe('clip-runner photos', () => {
  it('has its models in a child that is gone at once when the command is killed', async () => {
    const command = await ready();
    const child = childOf(command);
    await command.kill('SIGKILL');
    await until('the child is gone', () => !isAlive(child));
  });

  it('keeps every secret from the child: token, Redis, whatever else is in the environment', async () => {
    const command = await ready({ ACCESS_TOKEN: 'access-secret', HF_TOKEN: 'hub-secret', CUDA_VISIBLE_DEVICES: '' });
    const environment = readFileSync(`/proc/${childOf(command)}/environ`, 'utf8')
      .split('\0')
      .filter(Boolean);
    const names = environment.map((entry) => entry.split('=', 1)[0] ?? '');
    // Node.js adds two for the channel to the parent; the allocator's say nothing of anybody.
    const channel = ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE'];
    const allocator = ['GLIBC_TUNABLES', 'MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'];
    expect(names.sort()).toEqual(['CUDA_VISIBLE_DEVICES', 'HOME', 'PATH', ...allocator, ...channel].sort());
    const commandLine = readFileSync(`/proc/${childOf(command)}/cmdline`, 'utf8');
    for (const secret of [lab.gallery.token, 'access-secret', 'hub-secret', 'redis://']) {
      expect(environment.join('\n') + commandLine).not.toContain(secret);
    }
  });

  it('goes on with another child when this one is killed, and loses no job', async () => {
    const queue = `isolation_${randomUUID()}`;
    const command = await ready({ REDIS_QUEUE_NAME: queue });
    await lab.client.lpush(queue, ...Array.from({ length: 300 }, (_, index) => photoJob(index + 1, 'camera.jpg')));
    await lab.delivered(50);
    process.kill(childOf(command), 'SIGKILL');
    await until('all are called back', () => new Set(lab.gallery.callbacks.map(({ id }) => id)).size === 300);
    await until('nothing is left', async () => Object.keys(await queueLeft(lab.client, queue)).length === 0);
    expect(await lab.client.llen(`${queue}_dlq`)).toBe(0);
    expect(command.log.find(({ msg }) => msg.startsWith('The child process'))).toMatchObject({ signal: 'SIGKILL' });
    expect(await command.kill('SIGTERM')).toBe(0);
  });

  it('leaves it to the command what a signal to the whole group means', async () => {
    const command = await ready();
    const child = childOf(command);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(child, signal);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isAlive(child)).toBe(true);
    expect(await command.kill('SIGTERM')).toBe(0);
    expect(isAlive(child)).toBe(false);
  });

  it('with --isolation thread has no child', async () => {
    const command = await ready({}, ['--isolation', 'thread']);
    expect(childrenOf(command.child.pid ?? 0)).toEqual([]);
    expect(await command.kill('SIGTERM')).toBe(0);
  });

  it('ends in time when its child does not answer any more, and the jobs are back in Redis in their order', async () => {
    const queue = `isolation_${randomUUID()}`;
    const command = await ready({ REDIS_QUEUE_NAME: queue, SHUTDOWN_TIMEOUT_MS: '3000' });
    // A process that is stopped is as deaf as one inside a model.
    process.kill(childOf(command), 'SIGSTOP');
    const jobs = Array.from({ length: 40 }, (_, index) => photoJob(index + 1, 'camera.jpg'));
    await lab.client.lpush(queue, ...jobs);
    await until('some are claimed', async () => (await lab.client.llen(queue)) < 40);
    const child = childOf(command);
    const startedAt = performance.now();
    expect(await command.kill('SIGTERM')).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect((await lab.client.lrange(queue, 0, -1)).reverse()).toEqual(jobs);
    await until('the child is gone', () => !isAlive(child));
  });
});
