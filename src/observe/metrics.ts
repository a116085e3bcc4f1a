import type * as PromClient from 'prom-client';
import { RunnerError } from '../errors.js';
import { importPromClient } from './prometheus.js';
import { watchRunner } from './runner-metrics.js';
import { openServiceMetrics, type ServiceMetrics } from './service-metrics.js';
import type { Watched, WatchedQueue } from './watched.js';

/** A register of prom-client, of whatever version. */
export interface MetricsRegister {
  /** What `metrics()` is to be sent as. */
  readonly contentType: string;
  /** All that is registered, in Prometheus' text format. */
  metrics(): Promise<string>;
  /** Takes a metric in; refuses a name that it has. */
  registerMetric(metric: never): void;
}

/** What `createMetrics()` may be told. */
export interface MetricsOptions {
  /** Queues whose depth is told: those of the runner. */
  readonly queue?: WatchedQueue | readonly WatchedQueue[];
  /** Where the metrics go. @default a register of their own, with prom-client's metrics of the process */
  readonly register?: MetricsRegister;
}

/** Metrics of one runner. */
export interface Metrics {
  /** The Content-Type of `text()`. */
  readonly contentType: string;
  /** All metrics of the register in Prometheus' text format. */
  text(): Promise<string>;
  /** Counts nothing more; the metrics stay as they are. */
  close(): void;
}

/**
 * Counts what a runner does, for Prometheus; call it before `start()`. The package prom-client, an optional dependency, is
 * loaded here and not before. Two runners need a register each.
 * @throws RunnerError `OPTIONS_INVALID` where prom-client is not installed.
 */
export async function createMetrics(runner: Watched, options: MetricsOptions = {}): Promise<Metrics> {
  const metrics = await openMetrics(runner, options);
  if (metrics !== undefined) return metrics;
  throw new RunnerError('OPTIONS_INVALID', 'createMetrics needs the package prom-client: npm install prom-client.');
}

/** The same for the commands: undefined where prom-client is not installed. */
export async function openMetrics(
  runner: Watched,
  { queue = [], register }: MetricsOptions,
): Promise<(Metrics & { openService(): ServiceMetrics }) | undefined> {
  const client = await importPromClient();
  if (client === undefined) return undefined;
  const own = register ?? ownRegister(client);
  const close = watchRunner(client, own, runner, [queue].flat());
  return {
    contentType: own.contentType,
    text: () => own.metrics(),
    close,
    openService: () => openServiceMetrics(client, own),
  };
}

function ownRegister(client: typeof PromClient): PromClient.Registry {
  const register = new client.Registry();
  client.collectDefaultMetrics({ register });
  return register;
}
