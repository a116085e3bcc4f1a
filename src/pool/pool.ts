import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { RunnerError, coerceError } from '../errors.js';
import {
  SHARED,
  type SharedState,
  type ThreadItem,
  type ThreadMessage,
  type ThreadRequest,
  type ThreadUnit,
  type WorkerData,
  type WorkerSettings,
} from './protocol.js';
import { workerUrl } from './worker-url.js';

export interface PoolOptions {
  readonly threads: number;
  readonly settings: WorkerSettings;
  /** The time that all threads together may take to load and test their models. */
  readonly loadTimeoutMs: number;
  /** The time after which a batch is given up; its thread stays taken until it answers. */
  readonly batchTimeoutMs: number;
}

export interface LoadReport {
  readonly units: readonly ThreadUnit[];
  readonly loadMs: number;
}

/** Batches that one thread holds at most: one that runs, and one that is decoded meanwhile. */
const BATCHES_PER_THREAD = 2;

/**
 * The threads. Each holds its own ONNX sessions for as long as it lives.
 *
 * Traps that shape this file: Piscina's `close()` rejects running work, and ending a thread inside `run` aborts the
 * process, so work in flight is counted here and the pool closes only when there is none. A thread that dies before it
 * is ready stops Piscina for good, so models load in a task, not at module level. Its abort signals end threads; none is
 * ever passed.
 */
export class ThreadPool {
  readonly threads: number;
  readonly #options: PoolOptions;
  readonly #piscina: Piscina<ThreadRequest, void>;
  readonly #shared: SharedState = new Int32Array(new SharedArrayBuffer(8));
  readonly #inFlight = new Set<Promise<void>>();
  #onFree: () => void = () => undefined;
  #onStuck: (error: RunnerError) => void = () => undefined;
  #overdue = 0;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.threads = options.threads;
    this.#piscina = new Piscina({
      filename: workerUrl().href,
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: BATCHES_PER_THREAD,
      maxQueue: options.threads * BATCHES_PER_THREAD,
      atomics: 'disabled',
      recordTiming: false,
      workerData: { settings: options.settings, shared: this.#shared, threads: options.threads } satisfies WorkerData,
    });
    // Piscina repeats errors of its threads here; without a listener they would end the process.
    this.#piscina.on('error', () => undefined);
  }

  /** Sets what is called whenever a thread is done with a batch. */
  whenFree(callback: () => void): void {
    this.#onFree = callback;
  }

  /** Sets what is called when every place of every thread is taken by a batch that is overdue. */
  whenStuck(callback: (error: RunnerError) => void): void {
    this.#onStuck = callback;
  }

  /** Batches in the threads now. */
  get running(): number {
    return this.#inFlight.size;
  }

  idleThreads(): number {
    return Math.max(0, this.threads - this.running);
  }

  freeSlots(): number {
    return this.#closing === undefined ? this.threads * BATCHES_PER_THREAD - this.running : 0;
  }

  /**
   * Loads the models in every thread. As many load tasks as the pool has places, and each holds its place until all
   * threads have loaded, so that none is left out.
   * @throws RunnerError what the first failing thread said, or `THREAD_TIMEOUT`.
   */
  async load(): Promise<LoadReport> {
    const startedAt = performance.now();
    let units: readonly ThreadUnit[] = [];
    const tasks = Array.from({ length: this.threads * BATCHES_PER_THREAD }, () =>
      this.#exchange(
        (port) => ({ type: 'load', port }),
        (message) => {
          if (message.type === 'loaded') units = message.units;
        },
      ),
    );
    const loading = Promise.all(tasks);
    await withDeadline(loading, this.#options.loadTimeoutMs, () => loadTimeout(this.#options.loadTimeoutMs));
    return { units, loadMs: performance.now() - startedAt };
  }

  /** Runs a batch. Outcomes come through `onMessage`; rejects where the thread as a whole failed or took too long. */
  async run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void> {
    const copies = items.map(copyBytes);
    const transfer = copies.flatMap(({ input }) => ('bytes' in input ? [input.bytes.buffer as ArrayBuffer] : []));
    let isOver = false;
    const running = this.#exchange(
      (port) => ({ type: 'batch', port, items: copies }),
      (message) => {
        if (!isOver) onMessage(message);
      },
      transfer,
    );
    try {
      await withDeadline(running, this.#options.batchTimeoutMs, () => this.#countOverdue(running));
    } finally {
      isOver = true;
    }
  }

  /** A batch is given up, but its thread goes on with it; when all threads are lost to such batches, so is the pool. */
  #countOverdue(running: Promise<void>): RunnerError {
    const error = batchTimeout(this.#options.batchTimeoutMs);
    const isOver = (): void => void (this.#overdue -= 1);
    this.#overdue += 1;
    running.then(isOver, isOver);
    if (this.#overdue >= this.threads * BATCHES_PER_THREAD) this.#onStuck(error);
    return error;
  }

  /** Work that the threads have not begun is dropped: its items fail with `RUNNER_STOPPED`. */
  cancel(): void {
    Atomics.store(this.#shared, SHARED.isCancelled, 1);
  }

  /** Waits for the batches in the threads, then ends the threads. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.cancel();
    await Promise.allSettled(this.#inFlight);
    await this.#piscina.close();
  }

  /** One request and its messages, up to `end`. Counts as in flight until the thread is really done with it. */
  #exchange(
    request: (port: MessagePort) => ThreadRequest,
    onMessage: (message: ThreadMessage) => void,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const ended = new Promise<void>((resolve, reject) => {
      port1.on('message', (message: ThreadMessage) => {
        onMessage(message);
        if (message.type !== 'end') return;
        if (message.error === undefined) resolve();
        else reject(RunnerError.fromEnvelope(message.error));
      });
    });
    const returned = this.#piscina.run(request(port2), { transferList: [port2, ...transfer] });
    // The messages and the return travel apart: `end` closes the former, a dead thread only fails the latter.
    const failed = returned.then(
      () => ended,
      (thrown: unknown) => Promise.reject(threadDied(thrown)),
    );
    const exchange = Promise.all([Promise.race([ended, failed]), failed]).then(() => undefined);
    const tracked = exchange
      .catch(() => undefined)
      .finally(() => {
        port1.close();
        this.#inFlight.delete(tracked);
        this.#onFree();
      });
    this.#inFlight.add(tracked);
    return exchange;
  }
}

/** The thread takes a picture's buffer over; the caller's own may be part of a shared one. Copied no sooner than needed. */
function copyBytes(item: ThreadItem): ThreadItem {
  const { input } = item;
  return 'bytes' in input ? { ...item, input: { kind: 'image', bytes: new Uint8Array(input.bytes) } } : item;
}

async function withDeadline<T>(work: Promise<T>, ms: number, error: () => RunnerError): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function loadTimeout(ms: number): RunnerError {
  return new RunnerError(
    'THREAD_TIMEOUT',
    `The models were not loaded within ${ms} ms. Raise loadTimeoutMs, or use a smaller model.`,
  );
}

function batchTimeout(ms: number): RunnerError {
  return new RunnerError(
    'THREAD_TIMEOUT',
    `A batch was not finished within ${ms} ms. Raise batchTimeoutMs, or lower maxBatch.`,
  );
}

function threadDied(thrown: unknown): RunnerError {
  const error = coerceError(thrown, 'THREAD_DIED');
  return new RunnerError('THREAD_DIED', `A worker thread ended while it held a batch: ${error.message}`, {
    cause: thrown,
  });
}
