import type { EventHub } from './events.js';
import type { Device } from './model.js';
import { RecentCount } from './recent-count.js';

/** A snapshot of what a runner has done since it was created. */
export interface RunnerStats {
  readonly state: 'idle' | 'starting' | 'running' | 'stopping' | 'stopped';
  readonly uptimeMs: number;
  readonly jobs: {
    readonly claimed: number;
    readonly done: number;
    readonly retried: number;
    readonly buried: number;
    readonly inFlight: number;
  };
  /** Jobs done per second over the last ten seconds. */
  readonly jobsPerSecond: number;
  /** Pictures that were decoded: one per job, however many of its tasks want it. */
  readonly images: { readonly decoded: number };
  readonly batches: { readonly count: number; readonly meanItems: number };
  readonly callbacks: { readonly delivered: number; readonly failed: number; readonly held: number };
  /** Total milliseconds and count per stage, see the event `stage:measured`; `run` counts photos. */
  readonly stages: Readonly<Record<string, { readonly count: number; readonly ms: number }>>;
  readonly models: readonly ModelStats[];
  /** With `isolation: 'process'`: children started after a death, and children replaced as the options say. */
  readonly children: { readonly restarts: number; readonly recycles: number };
  readonly isSinkDown: boolean;
  readonly queues: readonly QueueStats[];
  /** One for each kind of input, once its models are loaded. */
  readonly lanes: readonly LaneStats[];
}

/** A queue as its runner sees it. */
export interface QueueStats {
  readonly queue: string;
  /** Jobs of it in hand. */
  readonly inFlight: number;
  /** How long the oldest of them has been in hand; undefined where there is none. */
  readonly oldestMs: number | undefined;
  /** Something keeps it from working, see the event `queue:down`. */
  readonly isDown: boolean;
}

/** The threads for one kind of input, `image` or `text`, and what waits for them. */
export interface LaneStats {
  readonly lane: string;
  /** Inputs that wait for a batch. */
  readonly waiting: number;
  /** Batches in the threads. */
  readonly running: number;
  /** Whether the threads are in a child process. */
  readonly hasOwnProcess: boolean;
  /** Memory of the process with the threads; 0 while there is none. */
  readonly rssBytes: number;
  /** From here on batches shrink and a child is replaced; 0: no limit. */
  readonly limitBytes: number;
}

/** One model (or other unit of a task) as it runs in the threads. */
export interface ModelStats {
  readonly task: string;
  readonly label: string;
  /** The device truly used. */
  readonly device: Device;
  /** Why it is not the one that was asked for, or that `auto` prefers and has tried; mostly empty. */
  readonly refusals: readonly string[];
  readonly maxBatch: number;
  readonly dimension: number | undefined;
}

/** What is known of the present where it happens, rather than counted. */
interface StatsNow {
  readonly queues: readonly Omit<QueueStats, 'isDown'>[];
  readonly lanes: readonly LaneStats[];
  /** Callbacks that wait. */
  readonly held: number;
}

const RATE_WINDOW_MS = 10_000;

/** Counts what the events tell. */
export class StatsCounter {
  readonly #startedAt = performance.now();
  readonly #jobs = { claimed: 0, done: 0, retried: 0, buried: 0 };
  readonly #callbacks = { delivered: 0, failed: 0 };
  readonly #batches = { count: 0, items: 0 };
  readonly #children = { restarts: 0, recycles: 0 };
  readonly #stages = new Map<string, { count: number; ms: number }>();
  readonly #models: ModelStats[] = [];
  readonly #recentDone = new RecentCount(RATE_WINDOW_MS);
  readonly #downQueues = new Set<string>();
  #isSinkDown = false;

  constructor(events: EventHub) {
    events.on('job:claimed', () => (this.#jobs.claimed += 1));
    events.on('job:done', () => {
      this.#jobs.done += 1;
      this.#recentDone.add(performance.now());
    });
    events.on('job:retried', () => (this.#jobs.retried += 1));
    events.on('job:buried', () => (this.#jobs.buried += 1));
    events.on('callback:delivered', () => (this.#callbacks.delivered += 1));
    events.on('callback:failed', () => (this.#callbacks.failed += 1));
    events.on('batch:finished', ({ items }) => {
      this.#batches.count += 1;
      this.#batches.items += items;
    });
    events.on('stage:measured', ({ stage, ms, count }) => this.#addStage(stage, ms, count));
    events.on('model:ready', (model) => this.#models.push(model));
    events.on('child:started', ({ reason }) => (this.#children.restarts += reason === 'restart' ? 1 : 0));
    events.on('child:recycled', () => (this.#children.recycles += 1));
    events.on('sink:down', () => (this.#isSinkDown = true));
    events.on('sink:up', () => (this.#isSinkDown = false));
    events.on('queue:down', ({ queue }) => this.#downQueues.add(queue));
    events.on('queue:up', ({ queue }) => this.#downQueues.delete(queue));
  }

  snapshot(state: RunnerStats['state'], { queues, lanes, held }: StatsNow): RunnerStats {
    const nowMs = performance.now();
    const uptimeMs = nowMs - this.#startedAt;
    return {
      state,
      uptimeMs,
      jobs: { ...this.#jobs, inFlight: queues.reduce((sum, { inFlight }) => sum + inFlight, 0) },
      jobsPerSecond: this.#recentDone.total(nowMs) / (Math.min(uptimeMs, RATE_WINDOW_MS) / 1000),
      images: { decoded: this.#stages.get('decode')?.count ?? 0 },
      batches: { count: this.#batches.count, meanItems: this.#batches.items / Math.max(1, this.#batches.count) },
      callbacks: { ...this.#callbacks, held },
      stages: Object.fromEntries([...this.#stages].map(([stage, total]) => [stage, { ...total }])),
      models: [...this.#models],
      children: { ...this.#children },
      isSinkDown: this.#isSinkDown,
      queues: queues.map((queue) => ({ ...queue, isDown: this.#downQueues.has(queue.queue) })),
      lanes,
    };
  }

  #addStage(stage: string, ms: number, count: number): void {
    const total = this.#stages.get(stage);
    if (total === undefined) {
      this.#stages.set(stage, { count, ms });
      return;
    }
    total.count += count;
    total.ms += ms;
  }
}
