import type * as PromClient from 'prom-client';
import { SERVICE_METRICS } from './metric-table.js';
import { makeMetrics } from './prometheus.js';

/** What the embed service counts. Labels come from fixed sets: no client can add to them. */
export interface ServiceMetrics {
  onAnswer(answer: { readonly route: string; readonly status: number; readonly ms: number }): void;
  /** Where inputs wait, by lane. */
  watchRooms(rooms: Rooms): void;
}

type Rooms = Readonly<Record<string, { readonly waiting: number; readonly running: number }>>;

/** Makes the metrics of an embed service. */
export function openServiceMetrics(client: typeof PromClient, register: unknown): ServiceMetrics {
  let rooms: Rooms = {};
  const metrics = makeMetrics(client, register, SERVICE_METRICS, {
    inputs: (gauge) => {
      for (const [lane, { waiting, running }] of Object.entries(rooms)) {
        gauge.set({ lane, state: 'waiting' }, waiting);
        gauge.set({ lane, state: 'running' }, running);
      }
    },
  });
  return {
    onAnswer({ route, status, ms }) {
      metrics.requests.inc({ route, status });
      metrics.requestSeconds.observe({ route }, ms / 1000);
    },
    watchRooms: (now) => void (rooms = now),
  };
}
