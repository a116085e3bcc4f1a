import type { ImageInput } from './direct.js';
import { Engine } from './engine.js';
import { RunnerError, coerceError } from './errors.js';
import { EventHub, type EventName, type RunnerEvents } from './events.js';
import { Intake } from './intake.js';
import type { Delivery, Job } from './job.js';
import { jobTypeOf } from './job-types.js';
import { Deadline } from './lifecycle.js';
import { resolveRunnerOptions, type ResolvedOptions, type RunnerOptions } from './options.js';
import type { Queue } from './queue/queue.js';
import { relayCourierEvents, relayQueueEvents } from './relay.js';
import { createCourier, type Courier } from './sink/courier.js';
import { StatsCounter, type RunnerStats } from './stats.js';
import { TaskTable } from './task-table.js';
import type { Caption } from './tasks/caption.js';
import type { Face } from './tasks/face/face.js';

/** Pulls jobs, runs models over them in threads, and delivers the results. Also answers direct calls. */
export interface Runner {
  /**
   * Finds (or downloads) the models, loads and tests them in every thread, then opens the queues and begins to claim.
   * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`; the runner is then stopped.
   */
  start(): Promise<void>;
  /**
   * Stops in order: claims no more, sends off what waits, lets the threads finish, delivers, acknowledges, gives
   * unfinished jobs back to the queue in their order, and closes. Idempotent; a second call with an earlier deadline
   * hurries the first. `deadlineMs` defaults to `shutdownTimeoutMs`.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>;
  /** Subscribes to an event; answers a function that ends the subscription. */
  on<Name extends EventName>(name: Name, listener: (event: RunnerEvents[Name]) => void): () => void;
  /** Counts since the runner was made, and what it does now; a copy. */
  stats(): RunnerStats;
  /**
   * Embeds pictures in the same threads and batches as the queue's jobs.
   * @returns one L2-normalised `Float32Array` (of the model's dimension) per picture, in order. With
   *   `onError: 'return'` a picture that fails has its `RunnerError` in its place.
   * @throws RunnerError of the first picture that failed (`IMAGE_*`, `FILE_*`), unless `onError` is `return`;
   *   `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  embedImages(
    inputs: readonly ImageInput[],
    options?: EmbedOptions & { readonly onError?: 'throw' },
  ): Promise<Float32Array[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their vectors. */
  embedImages(
    inputs: readonly ImageInput[],
    options: EmbedOptions & { readonly onError: 'return' },
  ): Promise<(Float32Array | RunnerError)[]>;
  /**
   * Embeds texts with the text side of a model, so that they find the pictures of `embedImages`; needs `text` among the
   * runner's `tasks`. Texts have a thread of their own and don't wait for photos. Longer ones are cut as the model's
   * tokenizer says.
   * @returns one L2-normalised `Float32Array` per text, in order; with `onError: 'return'` a blank text has its
   *   `RunnerError` (`JOB_INVALID`) in its place.
   * @throws RunnerError of the first text that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the task
   *   or for an unknown label; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  embedTexts(
    texts: readonly string[],
    options?: EmbedOptions & { readonly onError?: 'throw' },
  ): Promise<Float32Array[]>;
  /** As above, but a text that fails has its `RunnerError` in its place, and the others their vectors. */
  embedTexts(
    texts: readonly string[],
    options: EmbedOptions & { readonly onError: 'return' },
  ): Promise<(Float32Array | RunnerError)[]>;
  /**
   * Finds the faces in pictures, in the same threads and batches as the queue's jobs; needs `face` among the runner's
   * `tasks`.
   * @returns per picture, in order, its faces, best score first, at most `maxFacesPerPhoto`: box and landmarks in pixels
   *   of the picture as a person sees it, score, an L2-normalised embedding, quality. No face: an empty list.
   * @throws RunnerError of the first picture that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the
   *   task; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  detectFaces(inputs: readonly ImageInput[], options?: { readonly onError?: 'throw' }): Promise<(readonly Face[])[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their faces. */
  detectFaces(
    inputs: readonly ImageInput[],
    options: { readonly onError: 'return' },
  ): Promise<(readonly Face[] | RunnerError)[]>;
  /**
   * Describes pictures in a sentence each, in the same threads and batches as the queue's jobs; needs `caption` among the
   * runner's `tasks`, and a CLIP model, whose text side embeds the sentences.
   * @returns per picture, in order, its sentence and the sentence's L2-normalised embedding; no embedding where the model
   *   had nothing to say.
   * @throws RunnerError of the first picture that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the
   *   task; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  describeImages(inputs: readonly ImageInput[], options?: { readonly onError?: 'throw' }): Promise<Caption[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their captions. */
  describeImages(
    inputs: readonly ImageInput[],
    options: { readonly onError: 'return' },
  ): Promise<(Caption | RunnerError)[]>;
}

/** What a direct call may choose. */
export interface EmbedOptions {
  /** Label of the model. @default the first one */
  readonly model?: string;
}

/** Time kept back from the deadline of `stop()` to give jobs back and to close connections. */
const CLOSING_RESERVE_MS = 2000;

/** Time that calling off deliveries and threads without work takes at most. */
const ABORT_MS = 500;

/** Time to stop in after a failure. */
const FAILED_STOP_MS = 1000;

/**
 * Makes a runner; nothing is opened before `start()`. Two runners in one process share nothing but code (and sharp's
 * process-wide list of decoders, see `blockDecoders`).
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function createRunner(options: RunnerOptions): Runner {
  const conductor = new Conductor(resolveRunnerOptions(options));
  return {
    start: () => conductor.start(),
    stop: (stopOptions) => conductor.stop(stopOptions?.deadlineMs),
    on: (name, listener) => conductor.events.on(name, listener),
    stats: () => conductor.stats(),
    embedImages: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('embedImages').embedImages(inputs, call?.model), call),
    embedTexts: async (texts: readonly string[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('embedTexts').embedTexts(texts, call?.model), call),
    detectFaces: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) => {
      const photos = await conductor.engineFor('detectFaces').detectFaces(inputs);
      return orThrow(
        photos.map((photo) => (photo instanceof RunnerError ? photo : photo.faces)),
        call,
      );
    },
    describeImages: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('describeImages').describeImages(inputs), call),
  };
}

type AnyEmbedOptions = EmbedOptions & { readonly onError?: 'throw' | 'return' };

/** The values as they are, or the first failure thrown, as the call asks. `never[]` fits the types of both. */
function orThrow(values: readonly unknown[], call: AnyEmbedOptions | undefined): never[] {
  const failed = values.find((value) => value instanceof RunnerError);
  if (failed !== undefined && call?.onError !== 'return') throw failed;
  return values as never[];
}

class Conductor {
  readonly events = new EventHub();
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

  constructor(options: ResolvedOptions) {
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
    return this.#counter.snapshot(this.#state, this.#held(), this.#courier?.stats().held ?? 0);
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
      const engine = await Engine.open(this.#options, this.#tasks, { emit: this.events.emit, onStuck, signal });
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
    const { maxInFlight, maxBatch, maxElementBytes, onGone } = this.#options;
    const { emit } = this.events;
    return new Intake({
      queue,
      jobType: jobTypeOf(queue, this.#tasks),
      capacity: maxInFlight,
      claimAtLeast: maxBatch,
      maxElementBytes,
      onGone,
      emit,
      itemBytes: engine.itemBytes,
      unitsOf: (job) => this.#unitsOf(job, queue),
      submit: (items) => engine.submit(items),
      deliver: (delivery) => this.#deliver(courier, delivery),
      whenSinkOpen: (signal) => courier.whenClosed(signal),
    });
  }

  #unitsOf(job: Job, queue: Queue): ReturnType<TaskTable['unitsOf']> {
    const unknown = this.#tasks.unknownOf(job);
    if (unknown.length > 0) this.events.emit('job:ignored', { queue: queue.name, jobId: job.id, tasks: unknown });
    return this.#tasks.unitsOf(job);
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
    // A thread inside a model can't be ended without ending the process: past the deadline it is left to itself. So is a
    // start that is still loading; it closes what it has opened.
    const closed = Promise.all([this.#courier?.close(), this.#engine?.close(), this.#started?.catch(() => undefined)]);
    await new Deadline(deadline.remainingMs(ABORT_MS)).reaches(closed, (totalMs) => totalMs);
  }

  #held(): number {
    return this.#intakes.reduce((sum, intake) => sum + intake.held, 0);
  }
}
