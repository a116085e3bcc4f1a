import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { EventHub } from '../../../src/events.js';
import { openMetrics } from '../../../src/observe/metrics.js';
import type { WatchedQueue } from '../../../src/observe/watched.js';
import { StatsCounter, type RunnerStats } from '../../../src/stats.js';

async function watch(queue?: WatchedQueue) {
  const events = new EventHub();
  const counter = new StatsCounter(events);
  const stats = (): RunnerStats => counter.snapshot('running', { queues: [], lanes: [], held: 0 });
  const runner = { on: events.on.bind(events), stats };
  const metrics = await openMetrics(runner, queue === undefined ? {} : { queue });
  const lines = async (name: string): Promise<string[]> =>
    (await metrics!.text()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return { events, lines };
}

describe('labels', () => {
  it('stay bounded, whatever jobs and tasks of users make up', async () => {
    const { events, lines } = await watch();
    events.emit('model:ready', { task: 'clip', label: 'x', device: 'cpu', refusals: [], maxBatch: 8, dimension: 64 });
    for (let index = 0; index < 500; index++) {
      const error = new RunnerError('TASK_FAILED', 'no', { reason: `made-up-${index}` });
      const job = { queue: 'q', jobId: String(index), tasks: ['clip', `task-${index}`] };
      events.emit('job:buried', { ...job, reason: error.reason, error });
      events.emit('callback:delivered', { jobId: String(index), unit: `unit-${index}`, ms: 1 });
    }
    const reasons = await lines('clip_runner_dead_letters_total');
    expect(reasons).toHaveLength(65);
    expect(reasons).toContain('clip_runner_dead_letters_total{queue="q",reason="other"} 436');
    expect(await lines('clip_runner_job_tasks_total')).toEqual([
      'clip_runner_job_tasks_total{queue="q",task="clip",state="buried"} 500',
      'clip_runner_job_tasks_total{queue="q",task="other",state="buried"} 500',
    ]);
    expect(await lines('clip_runner_callbacks_total')).toEqual([
      'clip_runner_callbacks_total{unit="other",outcome="delivered"} 500',
    ]);
  });
});

describe('queue depth', () => {
  const places = { waiting: 3, inFlight: 2, retry: 1, suspects: 0, dead: 4 };

  it('is not told where the queue does not answer, rather than an old one, and holds up no scrape', async () => {
    let depth = (): Promise<typeof places> => Promise.resolve(places);
    const { lines } = await watch({ name: 'q', depth: () => depth() });
    expect(await lines('clip_runner_queue_depth')).toContain('clip_runner_queue_depth{queue="q",place="dead"} 4');
    depth = () => new Promise(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const startedAt = performance.now();
    expect(await lines('clip_runner_queue_depth')).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('is asked for once, however many scrapes come at a time', async () => {
    let asked = 0;
    const { lines } = await watch({ name: 'q', depth: () => Promise.resolve({ ...places, waiting: ++asked }) });
    await Promise.all(Array.from({ length: 20 }, () => lines('clip_runner_queue_depth')));
    expect(asked).toBe(1);
  });
});
