import { isLoopback } from '../host-name.js';
import { HealthServer } from '../observe/health-server.js';
import type { Metrics } from '../observe/metrics.js';
import { traceWithOpenTelemetry } from '../observe/spans.js';
import type { Runner } from '../runner.js';
import type { Log } from './log.js';
import type { Settings, VariableName } from './variables.js';

/** The settings of every command that can be watched. */
export const WATCH_VARIABLES = ['healthPort', 'healthHost'] as const satisfies readonly VariableName[];

/** Beyond the time after which an overdue batch is given up anyway. */
const GRACE_MS = 60_000;

/**
 * Opens the health port of a runner, where one is set, before its models load. Answers what closes it.
 * @throws RunnerError `PORT_UNAVAILABLE`
 */
export async function openHealth(
  runner: Runner,
  { healthPort: port, healthHost: host, batchTimeoutMs }: Settings<(typeof WATCH_VARIABLES)[number] | 'batchTimeoutMs'>,
  metrics: Metrics | undefined,
  log: Log,
): Promise<() => Promise<void>> {
  if (port === undefined) return () => Promise.resolve();
  if (!isLoopback(host)) log.warn({ host }, 'anybody who reaches this address may read the metrics');
  const server = new HealthServer(runner, { host, port, metrics, stuckAfterMs: batchTimeoutMs + GRACE_MS });
  log.info({ url: await server.listen() }, 'health port opened');
  return () => server.close();
}

/** Makes spans of jobs, where that is set. @throws RunnerError `OPTIONS_INVALID` without @opentelemetry/api */
export async function openTraces({ traces }: Settings<'traces'>): Promise<void> {
  if (traces) await traceWithOpenTelemetry();
}
