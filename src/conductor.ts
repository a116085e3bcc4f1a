import { Engine } from './engine.js';
import { RunnerError, coerceError } from './errors.js';
import { EventHub } from './events.js';
import { Intake } from './intake.js';
import type { Delivery, Job } from './job.js';
import { jobTypeOf } from './job-types.js';
import { Deadline } from './lifecycle.js';
import { resolveRunnerOptions, withTuning, type ResolvedOptions, type RunnerOptions } from './options.js';
import type { Queue } from './queue/queue.js';
import { relayCourierEvents, relayQueueEvents } from './relay.js';
import { createCourier, type Courier } from './sink/courier.js';
import { StatsCounter, type RunnerStats } from './stats.js';
import { TaskTable } from './task-table.js';
import type { WorkPlan } from './work-plan.js';

/** Time kept back from the deadline of `stop()` to give jobs back and to close connections. */
const CLOSING_RESERVE_MS = 2000;

/** Time that calling off deliveries and threads without work takes at most. */
const ABORT_MS = 500;

/** Time to stop in after a failure. */
const FAILED_STOP_MS = 1000;

/**
 * The order in which a runner starts and stops: threads and models before queues, and back. What each of them does is
 * theirs; what is promised to a caller is in `runner.ts`.
 */
export class Conductor {
  readonly events = new EventHub();
  readonly #given: RunnerOptions;
  readonly #options: ResolvedOptions;
  readonly #tasks: TaskTable;
  readonly #counter = new StatsCounter(this.events);
  readonly #starting = new AbortController();
  readonly #delivering = new AbortController();
  #state: RunnerStats['state'] = 'idle';
  #engine: Engine | undefined;
  #courier: Courier | undefined;
  #intakes: readonly Intake[] = [];
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #deadline: Deadline | undefined;

  /** @throws RunnerError `OPTIONS_INVALID` */
  constructor(given: RunnerOptions) {
    const options = resolveRunnerOptions(given);
    this.#given = given;
    this.#options = options;
    this.#tasks = new TaskTable(options.tasks);
    for (const queue of options.queues) jobTypeOf(queue, this.#tasks);
    const needy = ['clip', 'text'].find((name) => this.#tasks.has(name));
    if (needy !== undefined && options.models.length === 0) {
      const example = 'clip-ViT-L-14=openai/clip-vit-large-patch14';
      throw new RunnerError(
        'OPTIONS_INVALID',
        `createRunner: the task "${needy}" needs a model, e.g. models: "${example}".`,
      );
    }
  }

  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  stop(deadlineMs = this.#options.shutdownTimeoutMs): Promise<void> {
    if (this.#deadline === undefined) this.#deadline = new Deadline(deadlineMs);
    else this.#deadline.shorten(deadlineMs);
    this.#stopped ??= this.#stop(this.#deadline, deadlineMs);
    return this.#stopped;
  }

  stats(): RunnerStats {
    const queues = this.#options.queues.map(({ name }) => ({ queue: name, inFlight: 0, oldestMs: undefined }));
    return this.#counter.snapshot(this.#state, {
      queues: this.#intakes.length === 0 ? queues : this.#intakes.map((intake) => intake.stats()),
      lanes: this.#engine?.lanes() ?? [],
      held: this.#courier?.stats().held ?? 0,
    });
  }

  /** @throws RunnerError `RUNNER_STOPPED` unless the runner is running. */
  engineFor(method: string): Engine {
    if (this.#state === 'running' && this.#engine !== undefined) return this.#engine;
    throw new RunnerError(
      'RUNNER_STOPPED',
      `${method} needs a running runner, but it is ${this.#state}. Await start() first.`,
    );
  }

  async #start(): Promise<void> {
    const { signal } = this.#starting;
    try {
      signal.throwIfAborted();
      this.#state = 'starting';
      const onStuck = (error: RunnerError): void => this.#fail(error);
      const opening = Engine.open(this.#options, this.#tasks, {
        ...{ emit: this.events.emit, onStuck, signal },
        applyTuning: (tuning) => withTuning(this.#given, tuning),
      });
      void this.#openSink();
      const engine = await opening;
      this.#engine = engine;
      signal.throwIfAborted();
      await this.#openQueues(engine);
      signal.throwIfAborted();
      this.#state = 'running';
      for (const intake of this.#intakes) intake.start();
    } catch (thrown) {
      void this.#engine?.close();
      if (signal.aborted)
        throw new RunnerError('RUNNER_STOPPED', 'The runner was stopped before it had started.', { cause: thrown });
      void this.stop(0);
      throw coerceError(thrown);
    }
  }

  async #openSink(): Promise<void> {
    try {
      await this.#options.sink?.open?.();
    } catch {
      // The first delivery tells.
    }
  }

  async #openQueues(engine: Engine): Promise<void> {
    const { queues, sink, authFailLimit } = this.#options;
    if (sink === undefined || queues.length === 0) return;
    const courier = createCourier({
      sink,
      options: { authFailLimit, ...(sink.concurrency === undefined ? {} : { concurrency: sink.concurrency }) },
      onEvent: relayCourierEvents(this.events.emit, (error) => this.#fail(error)),
    });
    this.#courier = courier;
    await Promise.all(queues.map((queue) => queue.open(relayQueueEvents(queue.name, this.events.emit))));
    this.#intakes = queues.map((queue) => this.#intakeOf(queue, engine, courier));
  }

  #intakeOf(queue: Queue, engine: Engine, courier: Courier): Intake {
    const { inFlight, maxBatch, maxElementBytes, onGone } = engine.options;
    const { emit } = this.events;
    return new Intake({
      queue,
      jobType: jobTypeOf(queue, this.#tasks),
      capacity: inFlight,
      batch: maxBatch,
      maxElementBytes,
      onGone,
      emit,
      itemBytes: engine.itemBytes,
      planOf: (job) => this.#planOf(job, queue),
      submit: (items) => engine.submit(items),
      deliver: (delivery) => this.#deliver(courier, delivery),
      whenSinkOpen: (signal) => courier.whenClosed(signal),
    });
  }

  #planOf(job: Job, queue: Queue): WorkPlan {
    const unknown = this.#tasks.unknownOf(job);
    if (unknown.length > 0) this.events.emit('job:ignored', { queue: queue.name, jobId: job.id, tasks: unknown });
    return this.#tasks.planOf(job);
  }

  async #deliver(courier: Courier, delivery: Delivery): Promise<void> {
    const { jobId, unit } = delivery;
    const startedAt = performance.now();
    try {
      await courier.send(delivery, this.#delivering.signal);
      this.events.emit('callback:delivered', { jobId, unit, ms: performance.now() - startedAt });
    } catch (thrown) {
      const error = coerceError(thrown);
      if (error.code !== 'RUNNER_STOPPED') this.events.emit('callback:failed', { jobId, unit, error });
      throw error;
    }
  }

  #fail(error: RunnerError): void {
    this.events.emit('runner:failed', { error });
    // Nothing that is in hand can be delivered: there is no point in waiting for it.
    void this.stop(FAILED_STOP_MS);
  }

  async #stop(deadline: Deadline, deadlineMs: number): Promise<void> {
    const wasRunning = this.#state === 'running';
    this.#state = 'stopping';
    this.#starting.abort();
    this.events.emit('runner:stopping', { deadlineMs });
    const claiming = Promise.all(this.#intakes.map((intake) => intake.stopClaiming()));
    await deadline.reaches(claiming, (totalMs) => totalMs - CLOSING_RESERVE_MS);
    if (wasRunning) await this.#drain(deadline);
    this.#engine?.cancel();
    this.#delivering.abort();
    await this.#closeAll(deadline);
    const unfinished = this.#intakes.reduce((sum, intake) => sum + intake.unfinished, 0);
    this.#state = 'stopped';
    this.events.emit('runner:stopped', { unfinished });
  }

  /** Flush, run, deliver, acknowledge. Half of the time is for work not yet begun; after it only what runs is awaited. */
  async #drain(deadline: Deadline): Promise<void> {
    const idle = Promise.all([...this.#intakes.map((intake) => intake.whenIdle()), this.#engine?.whenIdle()]);
    this.#engine?.flush();
    if (await deadline.reaches(idle, (totalMs) => totalMs / 2)) return;
    this.#engine?.cancel();
    if (await deadline.reaches(idle, (totalMs) => totalMs - CLOSING_RESERVE_MS - ABORT_MS)) return;
    this.#delivering.abort();
    await deadline.reaches(idle, (totalMs) => totalMs - CLOSING_RESERVE_MS);
  }

  async #closeAll(deadline: Deadline): Promise<void> {
    const { queues } = this.#options;
    const isOpen = this.#courier !== undefined;
    await Promise.all(
      isOpen ? queues.map((queue) => queue.close({ deadlineMs: deadline.remainingMs(CLOSING_RESERVE_MS) })) : [],
    );
    // A thread inside a model can't be ended without ending its process: past the deadline it is left to itself, or ends with
    // its child process. A start that is still loading closes what it has opened.
    const closed = Promise.all([this.#courier?.close(), this.#engine?.close(), this.#started?.catch(() => undefined)]);
    await new Deadline(deadline.remainingMs(ABORT_MS)).reaches(closed, (totalMs) => totalMs);
    this.#engine?.kill();
  }
}
