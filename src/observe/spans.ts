import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type * as OpenTelemetry from '@opentelemetry/api';
import { RunnerError, coerceError, systemCode } from '../errors.js';
import type { JobTraceContext, StepTraceContext, TraceStep } from '../tracing.js';
import { VERSION } from '../version.js';

type Api = typeof OpenTelemetry;
type Span = OpenTelemetry.Span;

const STEPS = ['claim', 'read', 'decode', 'prepare', 'run', 'callback'] as const satisfies readonly TraceStep[];

/**
 * Makes OpenTelemetry spans of the jobs of every runner in this process: one of each job, and in it one of each step.
 * They go to the tracer provider that the program has registered. The package `@opentelemetry/api`, an optional peer
 * dependency, is loaded here and not before.
 * @returns what ends it.
 * @throws RunnerError `OPTIONS_INVALID` where `@opentelemetry/api` is not installed.
 */
export async function traceWithOpenTelemetry(): Promise<() => void> {
  const api = await importApi();
  const spans = new JobSpans(api);
  const listeners: [channel: string, listener: (message: unknown) => void][] = [
    ['job:start', (job) => spans.begin(job as JobTraceContext)],
    ['job:asyncEnd', (job) => spans.end(job as JobTraceContext)],
    ...STEPS.map((step): [string, (message: unknown) => void] => [
      `${step}:asyncEnd`,
      (context) => spans.add(step, context as StepTraceContext),
    ]),
  ];
  for (const [channel, listener] of listeners) subscribe(`tracing:clip-runner:${channel}`, listener);
  return () => {
    for (const [channel, listener] of listeners) unsubscribe(`tracing:clip-runner:${channel}`, listener);
  };
}

class JobSpans {
  readonly #api: Api;
  readonly #tracer: OpenTelemetry.Tracer;
  /** Jobs that began before anybody listened are not here, and make no spans. */
  readonly #jobs = new WeakMap<JobTraceContext, Span>();

  constructor(api: Api) {
    this.#api = api;
    this.#tracer = api.trace.getTracer('clip-runner', VERSION);
  }

  begin(job: JobTraceContext): void {
    const { queue, jobId, tasks, isSuspect, startTime } = job;
    const { SpanKind, ROOT_CONTEXT } = this.#api;
    const attributes = {
      'messaging.destination.name': queue,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.message.id': jobId,
      'clip_runner.tasks': [...tasks],
      'clip_runner.suspect': isSuspect,
    };
    const options = { kind: SpanKind.CONSUMER, startTime, attributes };
    this.#jobs.set(job, this.#tracer.startSpan(`process ${queue}`, options, ROOT_CONTEXT));
  }

  end(job: JobTraceContext): void {
    const span = this.#jobs.get(job);
    if (span !== undefined) this.#close(span, job);
  }

  add(step: TraceStep, { job, unit, count, startTime, ...end }: StepTraceContext): void {
    const parent = this.#jobs.get(job);
    if (parent === undefined) return;
    const { SpanKind, ROOT_CONTEXT, trace } = this.#api;
    const attributes = {
      ...(unit === undefined ? {} : { 'clip_runner.unit': unit }),
      ...(count === undefined ? {} : { 'clip_runner.batch_items': count }),
    };
    const kind = step === 'callback' ? SpanKind.CLIENT : SpanKind.INTERNAL;
    const name = unit === undefined ? step : `${step} ${unit}`;
    const options = { kind, startTime, attributes };
    this.#close(this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, parent)), end);
  }

  #close(span: Span, { endTime, error }: Pick<JobTraceContext, 'endTime' | 'error'>): void {
    if (error !== undefined) {
      const { code, message } = coerceError(error);
      span.setAttribute('error.type', code);
      span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
    }
    span.end(endTime);
  }
}

async function importApi(): Promise<Api> {
  try {
    return await import('@opentelemetry/api');
  } catch (thrown) {
    if (systemCode(thrown) !== 'ERR_MODULE_NOT_FOUND') throw thrown;
    throw new RunnerError(
      'OPTIONS_INVALID',
      'Traces need the package @opentelemetry/api, and an SDK that the program registers: npm install @opentelemetry/api.',
      { cause: thrown },
    );
  }
}
