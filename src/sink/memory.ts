import { positiveInteger, resolveOptions } from '../check.js';
import { RunnerError } from '../errors.js';
import type { Delivery } from '../job.js';
import type { Sink } from './sink.js';

/** What a memory sink keeps, and what it answers. */
export interface MemorySinkOptions {
  /** How many deliveries are kept; beyond that the oldest go first. @default 100000 */
  readonly maxDeliveries?: number;
  /** Called before a delivery is kept; what it throws is the sink's answer. */
  readonly respond?: (delivery: Delivery, signal: AbortSignal) => void | Promise<void>;
}

export interface MemorySink extends Sink {
  /** What was taken, oldest first. */
  readonly deliveries: readonly Delivery[];
}

/**
 * A sink that keeps what it gets: for tests, and for programs that want the results themselves.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function memorySink(options: MemorySinkOptions = {}): MemorySink {
  const { respond, ...limits } = options;
  const { maxDeliveries } = resolveOptions(
    'memorySink',
    limits,
    { maxDeliveries: 100_000 },
    { maxDeliveries: positiveInteger },
  );
  const deliveries: Delivery[] = [];
  return {
    name: 'memory',
    deliveries,
    async deliver(delivery, signal) {
      if (signal.aborted) throw new RunnerError('RUNNER_STOPPED', 'The delivery was stopped before it was taken.');
      await respond?.(delivery, signal);
      deliveries.push(delivery);
      if (deliveries.length > maxDeliveries) deliveries.shift();
    },
  };
}
