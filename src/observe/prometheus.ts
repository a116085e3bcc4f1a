import type * as PromClient from 'prom-client';
import { systemCode } from '../errors.js';
import type { MetricFacts } from './metric-table.js';

type Client = typeof PromClient;

type MetricOf<Facts extends MetricFacts> = Facts['kind'] extends 'counter'
  ? PromClient.Counter
  : Facts['kind'] extends 'gauge'
    ? PromClient.Gauge
    : PromClient.Histogram;

/** The metrics of a table, by its keys. */
export type MetricsOf<Table extends Record<string, MetricFacts>> = {
  readonly [Key in keyof Table]: MetricOf<Table[Key]>;
};

/** Sets a gauge when somebody asks for it. */
export type Collect = (gauge: PromClient.Gauge) => void | Promise<void>;

/** The package, an optional dependency, or undefined where it is not installed. */
export async function importPromClient(): Promise<Client | undefined> {
  try {
    return await import('prom-client');
  } catch (thrown) {
    if (systemCode(thrown) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** Makes the metrics of a table in a register; `collectors` fill the gauges that nobody sets. */
export function makeMetrics<Table extends Record<string, MetricFacts>>(
  client: Client,
  register: unknown,
  table: Table,
  collectors: Partial<Record<keyof Table, Collect>>,
): MetricsOf<Table> {
  const registers = [register as PromClient.Registry];
  const entries = Object.entries(table).map(([key, { kind, name, help, labels: labelNames, buckets = [] }]) => {
    const common = { name, help, labelNames, registers };
    if (kind === 'counter') return [key, new client.Counter(common)];
    if (kind === 'histogram') return [key, new client.Histogram({ ...common, buckets: [...buckets] })];
    const collect: Collect | undefined = collectors[key];
    if (collect === undefined) return [key, new client.Gauge(common)];
    return [
      key,
      new client.Gauge({
        ...common,
        collect() {
          return collect(this);
        },
      }),
    ];
  });
  return Object.fromEntries(entries) as MetricsOf<Table>;
}
