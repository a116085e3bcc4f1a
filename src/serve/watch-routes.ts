import type { FastifyInstance } from 'fastify';
import { Refusal, busy } from './refusal.js';
import type { Schemas } from './schemas.js';
import type { RoomState } from './waiting-room.js';

/** What `/metrics` answers. */
export interface MetricsPage {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface WatchRouteParts {
  readonly schemas: Schemas;
  readonly rooms: readonly RoomState[];
  readonly stuckAfterMs: number;
  /** What keeps it from taking requests, or undefined. */
  readonly hindrance: () => string | undefined;
  readonly metrics: MetricsPage | undefined;
}

/** `GET /healthz`, `/readyz` and `/metrics`: for those who watch the service. They ask for no token. */
export function addWatchRoutes(app: FastifyInstance, parts: WatchRouteParts): void {
  const { schemas, rooms, stuckAfterMs, hindrance, metrics } = parts;

  app.get('/healthz', { schema: schemas.health }, () => {
    const stalledMs = Math.max(...rooms.map((room) => room.stalledMs()));
    if (stalledMs > stuckAfterMs) throw busy(`Nothing has come of the work for ${Math.round(stalledMs / 1000)} s.`);
    return { status: 'ok' };
  });

  app.get('/readyz', { schema: schemas.ready }, () => {
    const reason = hindrance();
    if (reason !== undefined) throw busy(reason);
    return { status: 'ready' };
  });

  app.get('/metrics', { schema: schemas.metrics }, async (_request, reply) => {
    if (metrics === undefined) throw new Refusal(501, 'There are no metrics: install the package prom-client.');
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
