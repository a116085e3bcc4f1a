import type * as PromClient from 'prom-client';
import { systemCode } from '../errors.js';
import type { RoomState } from './waiting-room.js';

/** What the service counts, for Prometheus. */
export interface Metrics {
  onAnswer(route: string, status: number, ms: number): void;
  onBatch(lane: string, items: number): void;
  readonly contentType: string;
  text(): Promise<string>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const ITEMS = [1, 2, 4, 8, 16, 32, 64];

/**
 * Metrics of one server, with those of the process; undefined where prom-client, an optional dependency, is not
 * installed. Labels come from fixed sets: no client can add to them.
 */
export async function openMetrics(rooms: Readonly<Record<string, RoomState>>): Promise<Metrics | undefined> {
  const client = await importPromClient();
  if (client === undefined) return undefined;
  const register = new client.Registry();
  const registers = [register];
  client.collectDefaultMetrics({ register });
  const requests = new client.Counter({
    name: 'clip_runner_http_requests_total',
    help: 'Requests by route and status; 499: the client hung up.',
    labelNames: ['route', 'status'],
    registers,
  });
  const seconds = new client.Histogram({
    name: 'clip_runner_http_request_seconds',
    help: 'Time from the head of a request to the end of its answer.',
    labelNames: ['route'],
    buckets: SECONDS,
    registers,
  });
  const items = new client.Histogram({
    name: 'clip_runner_batch_items',
    help: 'Texts or pictures per batch; the sum is what was embedded.',
    labelNames: ['lane'],
    buckets: ITEMS,
    registers,
  });
  new client.Gauge({
    name: 'clip_runner_inputs',
    help: 'Texts or pictures that wait, or are with the models.',
    labelNames: ['lane', 'state'],
    registers,
    collect() {
      for (const [lane, room] of Object.entries(rooms)) {
        this.set({ lane, state: 'waiting' }, room.waiting);
        this.set({ lane, state: 'running' }, room.running);
      }
    },
  });
  return {
    onAnswer(route, status, ms) {
      requests.inc({ route, status });
      seconds.observe({ route }, ms / 1000);
    },
    onBatch: (lane, count) => items.observe({ lane }, count),
    contentType: register.contentType,
    text: () => register.metrics(),
  };
}

async function importPromClient(): Promise<typeof PromClient | undefined> {
  try {
    return await import('prom-client');
  } catch (thrown) {
    if (systemCode(thrown) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw thrown;
  }
}
