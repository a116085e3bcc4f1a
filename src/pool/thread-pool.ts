import { Piscina } from 'piscina';
import { RunnerError, coerceError } from '../errors.js';
import { makeRssGauge, type ProcessMemory } from '../process-memory.js';
import { loadTimeout, withDeadline } from './deadline.js';
import { entryUrl } from './entry-url.js';
import { unpack, type PackedSaid } from './packed-messages.js';
import { BATCHES_PER_THREAD, type Pool, type PoolOptions } from './pool.js';
import {
  SHARED,
  type LoadReport,
  type SharedState,
  type ThreadItem,
  type ThreadMessage,
  type ThreadRequest,
  type ThreadUnit,
  type WorkerData,
} from './protocol.js';
import { memoryLimit } from './recycling.js';

/**
 * Threads of this process. Each holds its own ONNX sessions for as long as it lives.
 *
 * Traps that shape this file: Piscina's `close()` rejects running work, and ending a thread inside `run` aborts the
 * process, so work in flight is counted here and the pool closes only when there is none. A thread that dies before it
 * is ready stops Piscina for good, so models load in a task, not at module level. Its abort signals end threads; none is
 * ever passed.
 */
export class ThreadPool implements Pool {
  readonly threads: number;
  readonly hasOwnProcess = false;
  readonly #options: PoolOptions;
  readonly #piscina: Piscina<ThreadRequest, void>;
  readonly #shared: SharedState = new Int32Array(new SharedArrayBuffer(8));
  readonly #inFlight = new Set<Promise<void>>();
  readonly #listeners = new Map<number, (message: ThreadMessage) => void>();
  #exchanges = 0;
  #onFree: () => void = () => undefined;
  #onStuck: (error: RunnerError) => void = () => undefined;
  #overdue = 0;
  #loadedRssBytes = 0;
  readonly #rss = makeRssGauge();
  #closing: Promise<void> | undefined;

  /** `isOwnProcess`: nothing but these threads is in the process. */
  constructor(options: PoolOptions, isOwnProcess = false) {
    this.#options = options;
    this.threads = options.threads;
    this.#piscina = new Piscina({
      filename: entryUrl('worker').href,
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: BATCHES_PER_THREAD,
      maxQueue: options.threads * BATCHES_PER_THREAD,
      atomics: 'disabled',
      recordTiming: false,
      workerData: {
        settings: options.settings,
        shared: this.#shared,
        threads: options.threads,
        isOwnProcess,
      } satisfies WorkerData,
    });
    // Piscina repeats errors of its threads here; without a listener they would end the process.
    this.#piscina.on('error', () => undefined);
    this.#piscina.on('message', (said: Partial<PackedSaid> | undefined) => {
      // A task of the user's own may say something to nobody.
      const { exchange = 0, messages = [] } = said ?? {};
      const listener = this.#listeners.get(exchange);
      if (listener !== undefined) unpack(messages, listener);
    });
  }

  whenFree(callback: () => void): void {
    this.#onFree = callback;
  }

  /** Stuck is a pool whose every place is taken by a batch that is overdue. */
  whenStuck(callback: (error: RunnerError) => void): void {
    this.#onStuck = callback;
  }

  /** Without those that were given up. */
  get running(): number {
    return this.#inFlight.size - this.#overdue;
  }

  idleThreads(): number {
    return Math.max(0, this.threads - this.#inFlight.size);
  }

  freeSlots(): number {
    return this.#closing === undefined ? this.threads * BATCHES_PER_THREAD - this.#inFlight.size : 0;
  }

  /** As many load tasks as the pool has places, and each holds its place until all have loaded: none is left out. */
  async load(): Promise<LoadReport> {
    const startedAt = performance.now();
    let units: readonly ThreadUnit[] = [];
    const tasks = Array.from({ length: this.threads * BATCHES_PER_THREAD }, () =>
      this.#exchange(
        (exchange) => ({ type: 'load', exchange }),
        (message) => {
          if (message.type === 'loaded') units = message.units;
        },
      ),
    );
    const loading = Promise.all(tasks);
    const { loadTimeoutMs } = this.#options;
    await withDeadline(loading, loadTimeoutMs, () => loadTimeout(loadTimeoutMs));
    this.#loadedRssBytes = process.memoryUsage.rss();
    return { units, loadMs: performance.now() - startedAt };
  }

  memory(): ProcessMemory {
    const limitBytes = memoryLimit(this.#options.maxMemoryBytes, this.#loadedRssBytes);
    return { rssBytes: this.#rss(), limitBytes };
  }

  async run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void> {
    const copies = items.map(copyBytes);
    const transfer = copies.flatMap(({ input }) => ('bytes' in input ? [input.bytes.buffer as ArrayBuffer] : []));
    let isOver = false;
    const running = this.#exchange(
      (exchange) => ({ type: 'batch', exchange, items: copies }),
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

  cancel(): void {
    Atomics.store(this.#shared, SHARED.isCancelled, 1);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Ends nothing: ending a thread inside a model would end this process. */
  kill(): void {
    this.cancel();
  }

  async #close(): Promise<void> {
    this.cancel();
    await Promise.allSettled(this.#inFlight);
    await this.#piscina.close();
  }

  /** One request and its messages, up to `end`. Counts as in flight until the thread is really done with it. */
  #exchange(
    request: (exchange: number) => ThreadRequest,
    onMessage: (message: ThreadMessage) => void,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<void> {
    this.#exchanges += 1;
    const exchange = this.#exchanges;
    const ended = new Promise<void>((resolve, reject) => {
      this.#listeners.set(exchange, (message) => {
        onMessage(message);
        if (message.type !== 'end') return;
        if (message.error === undefined) resolve();
        else reject(RunnerError.fromEnvelope(message.error));
      });
    });
    const returned = this.#piscina.run(request(exchange), { transferList: [...transfer] });
    // The messages and the return travel apart: `end` closes the former, a dead thread only fails the latter.
    const failed = returned.then(
      () => ended,
      (thrown: unknown) => Promise.reject(threadDied(thrown)),
    );
    const over = Promise.all([Promise.race([ended, failed]), failed]).then(() => undefined);
    const tracked = over
      .catch(() => undefined)
      .finally(() => {
        this.#listeners.delete(exchange);
        this.#inFlight.delete(tracked);
        this.#onFree();
      });
    this.#inFlight.add(tracked);
    return over;
  }
}

/** The thread takes a picture's buffer over; the caller's own may be part of a shared one. Copied no sooner than needed. */
function copyBytes(item: ThreadItem): ThreadItem {
  const { input } = item;
  return 'bytes' in input ? { ...item, input: { kind: 'image', bytes: new Uint8Array(input.bytes) } } : item;
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
