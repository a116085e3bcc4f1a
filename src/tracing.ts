import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel';
import type { Delivery } from './job.js';

/** The way of one job; the same object in every message about it. Times are milliseconds since 1970, with fractions. */
export interface JobTraceContext {
  readonly queue: string;
  readonly jobId: string;
  /** What this runner does for it. */
  readonly tasks: readonly string[];
  /** An earlier runner died with it in hand. */
  readonly isSuspect: boolean;
  readonly startTime: number;
  /** Set when the queue knows how the job ended. */
  endTime?: number;
  /** Why the job failed, where it did. */
  error?: unknown;
}

/** A step of a job: `claim`, `read`, `decode`, `prepare`, `run`, `callback`. */
export interface StepTraceContext {
  readonly job: JobTraceContext;
  /** The model (or other unit) that ran, or whose result is delivered: `clip/clip-ViT-L-14`. */
  readonly unit?: string;
  /** Inputs that ran together. */
  readonly count?: number;
  readonly startTime: number;
  endTime?: number;
  error?: unknown;
}

/** Names of the steps that jobs are traced in; the channel of each is `clip-runner:<step>`. */
export type TraceStep = 'claim' | 'read' | 'decode' | 'prepare' | 'run' | 'callback';

const channel = <T extends object>(name: string): TracingChannel<T, T> => tracingChannel<T, T>(`clip-runner:${name}`);

const JOBS = channel<JobTraceContext>('job');
const STEPS: Readonly<Record<TraceStep, TracingChannel<StepTraceContext, StepTraceContext>>> = {
  claim: channel('claim'),
  read: channel('read'),
  decode: channel('decode'),
  prepare: channel('prepare'),
  run: channel('run'),
  callback: channel('callback'),
};
const CHANNELS: readonly { readonly hasSubscribers: boolean }[] = [JOBS, ...Object.values(STEPS)];

/** The trace of a job, or undefined while nobody listens: then nothing is made and nothing is published. */
export function traceJob(facts: Omit<JobTraceContext, 'startTime' | 'endTime' | 'error'>): JobTrace | undefined {
  for (const { hasSubscribers } of CHANNELS) if (hasSubscribers) return new JobTrace(facts);
  return undefined;
}

/** Publishes what happens to one job. Made by `traceJob()`. */
export class JobTrace {
  readonly #job: JobTraceContext;

  constructor(facts: Omit<JobTraceContext, 'startTime' | 'endTime' | 'error'>) {
    this.#job = { ...facts, startTime: now() };
    begin(JOBS, this.#job);
  }

  /** A batch took the job: until now it was claimed and waited. */
  taken(): void {
    this.#step('claim', { startTime: this.#job.startTime });
  }

  /** A thread has told of a step that took `ms` and ends now. */
  measured(step: TraceStep, ms: number, facts: Pick<StepTraceContext, 'unit' | 'count'> = {}): void {
    this.#step(step, { ...facts, startTime: now() - ms });
  }

  async callback(delivery: Delivery, deliver: () => Promise<void>): Promise<void> {
    const step: StepTraceContext = { job: this.#job, unit: delivery.unit, startTime: now() };
    begin(STEPS.callback, step);
    try {
      await deliver();
    } catch (thrown) {
      step.error = thrown;
      throw thrown;
    } finally {
      finish(STEPS.callback, step);
    }
  }

  /** The queue knows how it ended. */
  end(error: unknown): void {
    if (error !== undefined) this.#job.error = error;
    finish(JOBS, this.#job);
  }

  /** Its times are known when it is over, so both ends are told together. */
  #step(name: TraceStep, facts: Omit<StepTraceContext, 'job'>): void {
    const step: StepTraceContext = { job: this.#job, ...facts };
    begin(STEPS[name], step);
    finish(STEPS[name], step);
  }
}

/** As `tracePromise()` of Node.js publishes an asynchronous operation. */
function begin<T extends object>({ start, end }: TracingChannel<T, T>, context: T): void {
  start.publish(context);
  end.publish(context);
}

function finish<T extends { endTime?: number; error?: unknown }>(to: TracingChannel<T, T>, context: T): void {
  context.endTime = now();
  if (context.error !== undefined) to.error.publish(context);
  to.asyncStart.publish(context);
  to.asyncEnd.publish(context);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
