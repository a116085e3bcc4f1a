import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, createRunner, memoryQueue, memorySink } from '../../dist/index.js';
import { RUNNER_METRICS } from '../../src/observe/metric-table.js';
import deadly from '../fixtures/tasks/deadly.js';
import { childrenOf } from '../support/children.js';
import type { CommandProcess } from '../support/command.js';
import { DEEDS, deeds } from '../support/deeds.js';
import { EmbedService } from '../support/embed-service.js';
import { expositionParser, type Exposition } from '../support/exposition.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { PhotosLab, readiness } from '../support/photos-lab.js';
import { until } from '../support/until.js';

const SETUP_MS = 300_000;

let parse: (text: string) => Promise<Exposition>;
beforeAll(async () => {
  parse = await expositionParser();
}, SETUP_MS);

const lab = new PhotosLab({
  CLIP_MODELS: `tiny=${CLIP}`,
  PROCESSING_EMBEDDING_DIM: '64',
  PROJECT_ROOT: IMAGES,
  HEALTH_PORT: '0',
  FACE_ENABLED: '0',
});

async function urlOf(command: CommandProcess): Promise<string> {
  await command.logged('health port opened');
  return String(command.log.find(({ msg }) => msg === 'health port opened')?.['url']);
}

const scrape = async (url: string): Promise<Exposition> => parse(await (await fetch(`${url}/metrics`)).text());
const status = async (url: string, path: string): Promise<number> => (await fetch(url + path)).status;

describe('the health port of clip-runner photos', () => {
  it('is ready once the models are, and counts jobs, stages, batches, dead letters, memory and what waits', async () => {
    const queue = `photos_${randomUUID()}`;
    const command = lab.photos({ REDIS_QUEUE_NAME: queue });
    const url = await urlOf(command);
    // It listens before the models are loaded.
    expect(await status(url, '/healthz')).toBe(200);
    const early = await fetch(`${url}/readyz`);
    // Models so small may be there already.
    if (early.status !== 200) expect(await early.json()).toEqual({ detail: 'The models are being loaded.' });
    await readiness(command);
    const order = ['health port opened', 'model ready', 'ready'];
    expect(command.log.map(({ msg }) => msg).filter((msg) => order.includes(msg))).toEqual(order);
    await until('it is ready', async () => (await status(url, '/readyz')) === 200);

    const jobs = [
      photoJob('77771234501', 'gray.jpg'),
      photoJob('77771234502', 'camera.jpg'),
      photoJob('77771234503', 'gray.jpg', ['made-up']),
    ];
    await lab.client.lpush(
      queue,
      ...jobs,
      photoJob('77771234504', 'gray16.png', ['clip', 'made-up']),
      '{"photo_id":"77771234505"}',
      'no JSON',
    );
    await until('all have ended', async () => {
      const metrics = await scrape(url);
      const ended = ['done', 'buried'].map((state) => metrics.value('clip_runner_jobs_total', { state }) ?? 0);
      return ended.join() === '4,2' && metrics.value('clip_runner_queue_depth', { place: 'dead' }) === 2;
    });
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const metrics = await parse(text);

    const { value } = { value: metrics.value.bind(metrics) };
    expect(value('clip_runner_jobs_total', { queue, state: 'claimed' })).toBe(4);
    expect(value('clip_runner_jobs_total', { queue, state: 'done' })).toBe(4);
    expect(value('clip_runner_jobs_total', { queue, state: 'buried' })).toBe(2);
    expect(value('clip_runner_job_tasks_total', { queue, task: 'clip', state: 'done' })).toBe(3);
    expect(value('clip_runner_dead_letters_total', { queue, reason: 'invalid' })).toBe(2);
    expect(value('clip_runner_job_errors_total', { queue, code: 'JOB_INVALID' })).toBe(2);
    for (const stage of ['wait', 'read', 'decode', 'prepare', 'callback'])
      expect(value('clip_runner_stage_seconds_count', { stage }), stage).toBe(3);
    expect(value('clip_runner_stage_seconds_count', { stage: 'run', unit: 'clip/tiny' })).toBeGreaterThan(0);
    expect(value('clip_runner_stage_seconds_sum', { stage: 'decode' })).toBeGreaterThan(0);
    expect(value('clip_runner_job_seconds_count', { queue })).toBe(4);
    expect(value('clip_runner_batch_items_sum', { lane: 'image' })).toBe(3);
    expect(value('clip_runner_callbacks_total', { unit: 'clip/tiny', outcome: 'delivered' })).toBe(3);
    expect(value('clip_runner_queue_depth', { queue, place: 'dead' })).toBe(2);
    expect(value('clip_runner_queue_depth', { queue, place: 'waiting' })).toBe(0);
    expect(value('clip_runner_queue_up', { queue })).toBe(1);
    expect(value('clip_runner_model_info', { task: 'clip', label: 'tiny', device: 'cpu' })).toBe(1);
    expect(value('clip_runner_memory_bytes', { process: 'main' })).toBeGreaterThan(1e7);
    expect(value('clip_runner_memory_bytes', { process: 'image' })).toBeGreaterThan(1e7);
    expect(value('clip_runner_child_starts_total', { lane: 'image', reason: 'start' })).toBe(1);
    expect(value('clip_runner_oldest_job_seconds', { queue })).toBe(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e7);

    // Every metric of the table is there with its type, and its name goes by the conventions.
    for (const { name, kind, help } of Object.values(RUNNER_METRICS)) {
      const family = metrics.families[name.replace(/_total$/, '')];
      expect({ type: family?.type, help: family?.help }, name).toEqual({ type: kind, help });
      expect(name.endsWith('_total'), name).toBe(kind === 'counter');
    }
    // security 14: nothing of a job.
    for (const secret of ['7777123450', 'made-up', 'gray', lab.gallery.token]) expect(text).not.toContain(secret);
    expect(await command.kill('SIGTERM')).toBe(0);
  });

  it('tells of a server that is down, and of a child that dies', async () => {
    const queue = `photos_${randomUUID()}`;
    lab.gallery.script = { status: 503 };
    const command = lab.photos({ REDIS_QUEUE_NAME: queue });
    const url = await urlOf(command);
    await readiness(command);
    await lab.client.lpush(queue, photoJob(1, 'gray.jpg'));
    await command.logged('the server is down');
    const down = await scrape(url);
    expect(down.value('clip_runner_breaker_open')).toBe(1);
    expect(down.value('clip_runner_breaker_openings_total')).toBe(1);
    expect(down.value('clip_runner_callbacks_total', { outcome: 'held' })).toBeGreaterThan(0);
    expect(down.value('clip_runner_oldest_job_seconds', { queue })).toBeGreaterThan(0);
    expect(down.value('clip_runner_jobs_in_flight', { queue })).toBe(1);
    // Starting again would bring no server back.
    expect([await status(url, '/healthz'), await status(url, '/readyz')]).toEqual([200, 200]);

    lab.gallery.script = { status: 200 };
    await command.logged('the server is up again');
    process.kill(childrenOf(command.child.pid!)[0]!, 'SIGKILL');
    await until('there is another child', async () => {
      const metrics = await scrape(url);
      return metrics.value('clip_runner_child_starts_total', { reason: 'restart' }) === 1;
    });
    const mended = await scrape(url);
    expect(mended.value('clip_runner_breaker_open')).toBe(0);
    expect(mended.value('clip_runner_child_deaths_total', { lane: 'image', signal: 'SIGKILL' })).toBe(1);
  });

  it('is not opened unless it is set, and exits with 1 where the port is taken', async () => {
    const first = lab.photos();
    const { port } = new URL(await urlOf(first));
    const second = lab.photos({ HEALTH_PORT: port });
    expect(await second.ended()).toBe(1);
    expect(second.stderr).toContain('Choose another with --health-port (HEALTH_PORT)');
    const third = lab.photos({ HEALTH_PORT: '' });
    await readiness(third);
    expect(third.log.map(({ msg }) => msg)).not.toContain('health port opened');
  });
});

describe('the health port of clip-runner serve', () => {
  it('has the same metrics as the service itself', async () => {
    const service = new EmbedService({ HEALTH_PORT: '0' });
    const url = await urlOf(service.command);
    await service.ready();
    await service.post('/embed_texts', { texts: ['a', 'b'] });
    for (const at of [url, service.url]) {
      const metrics = await scrape(at);
      expect(metrics.value('clip_runner_http_requests_total', { route: '/embed_texts', status: '200' })).toBe(1);
      expect(metrics.value('clip_runner_batch_items_sum', { lane: 'text' })).toBe(2);
      expect(metrics.value('clip_runner_ready')).toBe(1);
    }
    expect(await status(url, '/readyz')).toBe(200);
    expect(await service.stop()).toBe(0);
  });
});

describe('createMetrics', () => {
  it('puts its metrics, and nothing else, into the register that it is given', async () => {
    const register = new Registry();
    const queue = memoryQueue({ jobs: DEEDS, backoffBaseMs: 10 });
    const runner = createRunner({ queue, sink: memorySink(), tasks: [deadly], isolation: 'thread' });
    const metrics = await createMetrics(runner, { queue, register });
    queue.push(...deeds(20, { 3: 'throw' }));
    await runner.start();
    await until('all are settled', () => runner.stats().jobs.done + runner.stats().jobs.buried === 20);
    const seen = await parse(await register.metrics());
    expect(seen.value('clip_runner_jobs_total', { state: 'done' })).toBe(19);
    expect(seen.value('clip_runner_dead_letters_total')).toBe(1);
    expect(seen.value('clip_runner_queue_depth', { place: 'dead' })).toBe(1);
    expect(seen.value('clip_runner_memory_limit_bytes', { process: 'main' })).toBeGreaterThan(0);
    expect(Object.keys(seen.families).filter((name) => !name.startsWith('clip_runner_'))).toEqual([]);
    metrics.close();
    await runner.stop();
    expect((await parse(await metrics.text())).value('clip_runner_ready')).toBe(0);
  });
});
