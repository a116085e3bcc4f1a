import type * as PromClient from 'prom-client';
import { VERSION } from '../version.js';
import { depthOf } from './depths.js';
import { KnownWords } from './known-words.js';
import { RUNNER_METRICS } from './metric-table.js';
import { makeMetrics, type Collect, type MetricsOf } from './prometheus.js';
import type { Watched, WatchedQueue } from './watched.js';

/** Reasons of dead letters that are told apart; further ones count as `other`. */
const MOST_REASONS = 64;

type RunnerMetrics = MetricsOf<typeof RUNNER_METRICS>;
type Gauge = PromClient.Gauge;

/** Counts what a runner tells from now on; answers what ends that. */
export function watchRunner(
  client: typeof PromClient,
  register: unknown,
  runner: Watched,
  queues: readonly WatchedQueue[],
): () => void {
  const metrics = makeMetrics(client, register, RUNNER_METRICS, collectors(runner, queues));
  metrics.info.set({ version: VERSION }, 1);
  const names = { tasks: new KnownWords(), units: new KnownWords(), reasons: new KnownWords(MOST_REASONS) };
  for (const { task, label } of runner.stats().models) learn(names, task, label);
  const subscriptions = [
    runner.on('model:ready', ({ task, label }) => learn(names, task, label)),
    ...countJobs(metrics, runner, names),
    ...measureWork(metrics, runner, names),
    ...countOutages(metrics, runner),
    ...countChildren(metrics, runner),
  ];
  return () => {
    for (const unsubscribe of subscriptions) unsubscribe();
  };
}

/** Values of labels that jobs and users' own code could otherwise make up. */
interface Names {
  readonly tasks: KnownWords;
  readonly units: KnownWords;
  readonly reasons: KnownWords;
}

type Subscriptions = readonly (() => void)[];

function learn({ tasks, units }: Names, task: string, label: string): void {
  tasks.add(task);
  units.add(`${task}/${label}`);
}

function countJobs(metrics: RunnerMetrics, runner: Watched, { tasks, reasons }: Names): Subscriptions {
  const count = (state: string, queue: string, names: readonly string[]): void => {
    metrics.jobs.inc({ queue, state });
    for (const task of names) metrics.jobTasks.inc({ queue, task: tasks.label(task), state });
  };
  return [
    runner.on('job:claimed', ({ queue }) => count('claimed', queue, [])),
    runner.on('job:done', ({ queue, tasks: names, ms }) => {
      count('done', queue, names);
      metrics.jobSeconds.observe({ queue }, ms / 1000);
    }),
    runner.on('job:retried', ({ queue, tasks: names, error }) => {
      count('retried', queue, names);
      metrics.jobErrors.inc({ queue, code: error.code });
    }),
    runner.on('job:buried', ({ queue, tasks: names, reason, error }) => {
      count('buried', queue, names);
      metrics.jobErrors.inc({ queue, code: error.code });
      metrics.deadLetters.inc({ queue, reason: reasons.label(reason) });
    }),
  ];
}

function measureWork(metrics: RunnerMetrics, runner: Watched, { units }: Names): Subscriptions {
  return [
    runner.on('stage:measured', ({ stage, ms, unit }) =>
      metrics.stageSeconds.observe({ stage, unit: unit === undefined ? '' : units.label(unit) }, ms / 1000),
    ),
    runner.on('batch:finished', ({ lane, items, ms, error }) => {
      metrics.batchItems.observe({ lane }, items);
      metrics.batchSeconds.observe({ lane }, ms / 1000);
      if (error !== undefined) metrics.batchErrors.inc({ lane, code: error.code });
    }),
    runner.on('callback:delivered', ({ unit, ms }) => {
      metrics.callbacks.inc({ unit: units.label(unit), outcome: 'delivered' });
      metrics.stageSeconds.observe({ stage: 'callback', unit: units.label(unit) }, ms / 1000);
    }),
    runner.on('callback:held', ({ unit }) => metrics.callbacks.inc({ unit: units.label(unit), outcome: 'held' })),
    runner.on('callback:failed', ({ unit }) => metrics.callbacks.inc({ unit: units.label(unit), outcome: 'failed' })),
  ];
}

function countOutages(metrics: RunnerMetrics, runner: Watched): Subscriptions {
  const recover =
    (way: string) =>
    ({ queue, count }: { readonly queue: string; readonly count: number }): void =>
      metrics.queueRecovered.inc({ queue, way }, count);
  return [
    runner.on('sink:down', () => metrics.breakerOpenings.inc()),
    runner.on('queue:down', ({ queue }) => metrics.queueOutages.inc({ queue })),
    runner.on('queue:adopted', recover('adopted')),
    runner.on('queue:lease-lost', recover('lease_lost')),
    runner.on('queue:reaped', recover('reaped')),
    runner.on('queue:promoted', recover('promoted')),
  ];
}

function countChildren(metrics: RunnerMetrics, runner: Watched): Subscriptions {
  return [
    runner.on('child:started', ({ lane, reason }) => metrics.childStarts.inc({ lane, reason })),
    runner.on('child:died', ({ lane, signal }) => metrics.childDeaths.inc({ lane, signal: signal ?? 'none' })),
    runner.on('child:recycled', ({ lane, reason }) => metrics.childRecycles.inc({ lane, reason })),
  ];
}

/** What is so now, asked for at each scrape. */
function collectors(
  runner: Watched,
  queues: readonly WatchedQueue[],
): Partial<Record<keyof typeof RUNNER_METRICS, Collect>> {
  const depths = queues.map((queue) => ({ queue: queue.name, look: depthOf(queue) }));
  const forQueues = (valueOf: (stats: ReturnType<Watched['stats']>['queues'][number]) => number) => (gauge: Gauge) => {
    for (const stats of runner.stats().queues) gauge.set({ queue: stats.queue }, valueOf(stats));
  };
  const forLanes = (valueOf: (stats: ReturnType<Watched['stats']>['lanes'][number]) => number) => (gauge: Gauge) => {
    for (const stats of runner.stats().lanes) gauge.set({ lane: stats.lane }, valueOf(stats));
  };
  return {
    ready: (gauge) => gauge.set(runner.stats().state === 'running' ? 1 : 0),
    models: (gauge) => {
      for (const { task, label, device } of runner.stats().models) gauge.set({ task, label, device }, 1);
    },
    jobsInFlight: forQueues(({ inFlight }) => inFlight),
    oldestJob: forQueues(({ oldestMs = 0 }) => oldestMs / 1000),
    queueUp: forQueues(({ isDown }) => (isDown ? 0 : 1)),
    laneWaiting: forLanes(({ waiting }) => waiting),
    laneRunning: forLanes(({ running }) => running),
    callbacksWaiting: (gauge) => gauge.set(runner.stats().callbacks.held),
    breakerOpen: (gauge) => gauge.set(runner.stats().isSinkDown ? 1 : 0),
    queueDepth: async (gauge) => {
      const looks = await Promise.all(depths.map(async ({ queue, look }) => ({ queue, places: await look() })));
      // A queue that doesn't answer has no numbers, rather than old ones.
      gauge.reset();
      for (const { queue, places } of looks)
        for (const [place, count] of Object.entries(places ?? {})) gauge.set({ queue, place }, count);
    },
    memory: (gauge) => setMemory(gauge, runner, ({ rssBytes }) => rssBytes, process.memoryUsage.rss()),
    memoryLimit: (gauge) => setMemory(gauge, runner, ({ limitBytes }) => limitBytes, undefined),
  };
}

function setMemory(
  gauge: Gauge,
  runner: Watched,
  valueOf: (stats: ReturnType<Watched['stats']>['lanes'][number]) => number,
  main: number | undefined,
): void {
  const { lanes } = runner.stats();
  if (main !== undefined) gauge.set({ process: 'main' }, main);
  for (const stats of lanes) {
    if (stats.hasOwnProcess) gauge.set({ process: stats.lane }, valueOf(stats));
    else if (main === undefined) gauge.set({ process: 'main' }, valueOf(stats));
  }
}
