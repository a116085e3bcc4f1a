import type { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import type { ChildEvent } from './pool/process-pool.js';
import type { QueueListener } from './queue/queue.js';
import type { CourierEvent } from './sink/courier.js';

/** What a queue reports, as events of the runner. */
export function relayQueueEvents(queue: string, emit: Emit): QueueListener {
  return (event) => {
    switch (event.type) {
      case 'down':
        return emit('queue:down', { queue, error: event.error });
      case 'up':
        return emit('queue:up', { queue });
      case 'adopted':
        return emit('queue:adopted', { queue, count: event.count });
      case 'lease:lost':
        return emit('queue:lease-lost', { queue, count: event.count });
      case 'reaped':
        return emit('queue:reaped', { queue, consumer: event.consumer, count: event.count });
      case 'promoted':
        return emit('queue:promoted', { queue, count: event.count });
      case 'warning':
        return emit('queue:warning', { queue, message: event.message });
    }
  };
}

/** What the courier reports, as events of the runner. `onFatal`: the server refuses the token for good. */
export function relayCourierEvents(emit: Emit, onFatal: (error: RunnerError) => void): (event: CourierEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'breaker:open':
        return emit('sink:down', { error: event.error });
      case 'breaker:closed':
        return emit('sink:up', { downMs: event.openMs });
      case 'courier:paused':
        return emit('sink:paused', { pauseMs: event.pauseMs, error: event.error });
      case 'delivery:held':
        return emit('callback:held', { jobId: event.jobId, unit: event.unit, tries: event.tries, error: event.error });
      case 'auth:failed':
        return onFatal(event.error);
    }
  };
}

/** What the pool of a lane reports of its child processes, as events of the runner. */
export function relayChildEvents(lane: string, emit: Emit): (event: ChildEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'started': {
        const { pid, reason, loadMs, rssBytes } = event;
        return emit('child:started', { lane, pid, reason, loadMs, rssBytes });
      }
      case 'died': {
        const { pid, code, signal, items, error } = event;
        return emit('child:died', { lane, pid, code, signal, items, error });
      }
      case 'recycled':
        return emit('child:recycled', { lane, pid: event.pid, reason: event.reason });
    }
  };
}
