import { fork, type ChildProcess } from 'node:child_process';
import { RunnerError, coerceError } from '../errors.js';
import { childEnvironment, childFlags } from './child-environment.js';
import { loadTimeout, withDeadline } from './deadline.js';
import { entryUrl } from './entry-url.js';
import { withOwnBuffers } from './own-buffers.js';
import { unpack } from './packed-messages.js';
import type { PoolOptions } from './pool.js';
import type { ChildLine, ChildMessage, ChildRequest, LoadReport, ThreadItem, ThreadMessage } from './protocol.js';
import type { ChildState } from './recycling.js';

/** How a child process ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Items of the batches that it had in hand. */
  readonly items: number;
  readonly error: RunnerError;
}

interface ChildListener {
  /** It has said how much memory it takes, about once a second. */
  readonly onMemory: () => void;
  /** It has ended, and all that it had said was heard. Called once, before its batches fail. */
  readonly onEnd: (end: ChildEnd) => void;
}

interface Batch {
  readonly items: number;
  readonly onMessage: (message: ThreadMessage) => void;
  readonly resolve: () => void;
  readonly reject: (error: RunnerError) => void;
  readonly timer: NodeJS.Timeout;
}

/** One child process with threads, seen from its parent, from its start to its end. */
export class ChildHandle {
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  #setEnded: () => void = () => undefined;
  readonly #options: PoolOptions;
  readonly #process: ChildProcess;
  readonly #batches = new Map<number, Batch>();
  readonly #listener: ChildListener;
  #isDismissed = false;
  #batchCount = 0;
  #jobs = 0;
  #loadedAt = 0;
  #loadedRssBytes = 0;
  #rssBytes = 0;
  #onLoaded: (report: LoadReport) => void = () => undefined;
  #onRefused: (error: RunnerError) => void = () => undefined;
  /** Why it is made to end, or what it said itself. */
  #why: string | undefined;

  constructor(options: PoolOptions, listener: ChildListener) {
    this.#options = options;
    this.#listener = listener;
    this.#process = fork(entryUrl('child'), [], {
      // Typed arrays cross as they are.
      serialization: 'advanced',
      env: childEnvironment(process.env, options.threads * options.settings.image.decodeConcurrency),
      execArgv: [...childFlags(process.execArgv)],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process.on('message', (message) => this.#hear(message as ChildMessage));
    this.ended = new Promise((resolve) => (this.#setEnded = resolve));
    // `close` comes after `exit`, when the channel has been read to its end.
    this.#process.once('close', (code, signal) => this.#finish(code, signal));
    this.#process.on('error', (error) => {
      this.#why ??= error.message;
      // It was not even started.
      if (this.#process.pid === undefined) this.#finish(null, null);
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Batches that it has in hand. */
  get running(): number {
    return this.#batches.size;
  }

  /** Whether it was ever given anything to do. */
  get wasUsed(): boolean {
    return this.#batchCount > 0;
  }

  /** Whether its end was wanted. */
  get isDismissed(): boolean {
    return this.#isDismissed;
  }

  get state(): ChildState {
    const ageMs = performance.now() - this.#loadedAt;
    return { rssBytes: this.#rssBytes, loadedRssBytes: this.#loadedRssBytes, jobs: this.#jobs, ageMs };
  }

  /** @throws RunnerError what a thread said, `THREAD_TIMEOUT`, `PROCESS_DIED`; the child has then ended, or is about to. */
  async load(): Promise<LoadReport> {
    const { threads, settings, loadTimeoutMs } = this.#options;
    const loaded = new Promise<LoadReport>((resolve, reject) => {
      this.#onLoaded = resolve;
      this.#onRefused = reject;
    });
    this.#send({ type: 'load', threads, settings });
    try {
      return await withDeadline(loaded, loadTimeoutMs, () => loadTimeout(loadTimeoutMs));
    } catch (thrown) {
      this.#kill(coerceError(thrown).message);
      throw thrown;
    }
  }

  /** @throws RunnerError `PROCESS_DIED`, or what failed the batch as a whole. */
  run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void> {
    const { batchTimeoutMs } = this.#options;
    this.#batchCount += 1;
    this.#jobs += items.length;
    const batch = this.#batchCount;
    return new Promise<void>((resolve, reject) => {
      const overdue = `a batch was not finished within ${batchTimeoutMs} ms (batchTimeoutMs)`;
      const timer = setTimeout(() => this.#kill(overdue), batchTimeoutMs);
      this.#batches.set(batch, { items: items.length, onMessage, resolve, reject, timer });
      this.#send({ type: 'batch', batch, items });
    });
  }

  /** What its threads have not begun is dropped. */
  cancel(): void {
    this.#send({ type: 'cancel' });
  }

  /** It is not needed any more: ends it at once, whatever it does. */
  dismiss(): void {
    this.#isDismissed = true;
    this.#kill('it is not needed any more');
  }

  #kill(why: string): void {
    this.#why ??= why;
    this.#process.kill('SIGKILL');
  }

  #send(request: ChildRequest): void {
    // A child that ends meanwhile is told of by its end.
    this.#process.send(request, () => undefined);
  }

  #hear(message: ChildMessage): void {
    switch (message.type) {
      case 'loaded':
        this.#loadedAt = performance.now();
        this.#loadedRssBytes = message.rssBytes;
        this.#rssBytes = message.rssBytes;
        return this.#onLoaded(message.report);
      case 'refused':
        return this.#onRefused(RunnerError.fromEnvelope(message.error));
      case 'said':
        return message.said.forEach(({ exchange: batch, messages }) =>
          unpack(messages, (line) => this.#hearLine({ batch, message: line })),
        );
      case 'memory':
        this.#rssBytes = message.rssBytes;
        return this.#listener.onMemory();
      case 'dying':
        this.#why ??= message.message;
    }
  }

  #hearLine({ batch, message }: ChildLine): void {
    const running = this.#batches.get(batch);
    if (running === undefined) return;
    if (message.type === 'outcome' && message.outcome.ok) {
      const value = withOwnBuffers(message.outcome.value);
      return running.onMessage({ ...message, outcome: { ok: true, value } });
    }
    if (message.type !== 'end') return running.onMessage(message);
    this.#batches.delete(batch);
    clearTimeout(running.timer);
    if (message.error === undefined) running.resolve();
    else running.reject(RunnerError.fromEnvelope(message.error));
  }

  #finish(code: number | null, signal: NodeJS.Signals | null): void {
    const batches = [...this.#batches.values()];
    this.#batches.clear();
    const items = batches.reduce((sum, batch) => sum + batch.items, 0);
    const why = this.#why ?? (signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
    const error = new RunnerError('PROCESS_DIED', `The child process with the models ended: ${why}.`);
    this.#listener.onEnd({ code, signal, items, error });
    this.#onRefused(error);
    for (const { reject, timer } of batches) {
      clearTimeout(timer);
      reject(error);
    }
    this.#setEnded();
  }
}
