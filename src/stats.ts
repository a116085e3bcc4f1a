import type { EventHub } from './events.js';
import type { Device } from './model.js';

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
  /** Total milliseconds and count per stage; `run` counts photos. */
  readonly stages: Readonly<Record<string, { readonly count: number; readonly ms: number }>>;
  readonly models: readonly ModelStats[];
  /** With `isolation: 'process'`: children started after a death, and children replaced as the options say. */
  readonly children: { readonly restarts: number; readonly recycles: number };
  readonly isSinkDown: boolean;
}

/** One model (or other unit of a task) as it runs in the threads. */
export interface ModelStats {
  readonly task: string;
  readonly label: string;
  /** The device truly used. */
  readonly device: Device;
  readonly maxBatch: number;
  readonly dimension: number | undefined;
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
  readonly #recentDone: number[] = [];
  #isSinkDown = false;

  constructor(events: EventHub) {
    events.on('job:claimed', () => (this.#jobs.claimed += 1));
    events.on('job:done', () => {
      this.#jobs.done += 1;
      this.#recentDone.push(performance.now());
      this.#forgetOld();
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
  }

  snapshot(state: RunnerStats['state'], inFlight: number, held: number): RunnerStats {
    this.#forgetOld();
    const uptimeMs = performance.now() - this.#startedAt;
    return {
      state,
      uptimeMs,
      jobs: { ...this.#jobs, inFlight },
      jobsPerSecond: this.#recentDone.length / (Math.min(uptimeMs, RATE_WINDOW_MS) / 1000),
      images: { decoded: this.#stages.get('decode')?.count ?? 0 },
      batches: { count: this.#batches.count, meanItems: this.#batches.items / Math.max(1, this.#batches.count) },
      callbacks: { ...this.#callbacks, held },
      stages: Object.fromEntries([...this.#stages].map(([stage, total]) => [stage, { ...total }])),
      models: [...this.#models],
      children: { ...this.#children },
      isSinkDown: this.#isSinkDown,
    };
  }

  #addStage(stage: string, ms: number, count: number): void {
    const total = this.#stages.get(stage) ?? { count: 0, ms: 0 };
    this.#stages.set(stage, { count: total.count + count, ms: total.ms + ms });
  }

  #forgetOld(): void {
    const oldest = performance.now() - RATE_WINDOW_MS;
    const keepFrom = this.#recentDone.findIndex((at) => at >= oldest);
    this.#recentDone.splice(0, keepFrom === -1 ? this.#recentDone.length : keepFrom);
  }
}
