import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerError, coerceError } from '../errors.js';
import type { ProcessMemory } from '../process-memory.js';
import { ChildHandle, type ChildEnd } from './child-handle.js';
import { BATCHES_PER_THREAD, type Pool, type PoolOptions } from './pool.js';
import type { LoadReport, ThreadItem, ThreadMessage } from './protocol.js';
import { memoryLimit, whyRecycle, type ChildLimits, type RecycleReason } from './recycling.js';

/** What a pool in a child process tells besides its batches. */
export type ChildEvent =
  | {
      readonly type: 'started';
      readonly pid: number;
      readonly reason: StartReason;
      readonly loadMs: number;
      readonly rssBytes: number;
    }
  | ({ readonly type: 'died'; readonly pid: number } & ChildEnd)
  | { readonly type: 'recycled'; readonly pid: number; readonly reason: RecycleReason };

/** Why a child was started: the first one, after a death, or in place of one that is recycled. */
export type StartReason = 'start' | 'restart' | 'recycle';

export interface ProcessPoolOptions extends PoolOptions {
  readonly limits: ChildLimits;
  readonly onEvent: (event: ChildEvent) => void;
}

/** Children in a row that ended before they had been given anything to do; then the pool gives up. */
const MAX_VAIN = 5;
const BACKOFF_MS = 250;
/** Time until a recycling whose new child could not load is tried again. */
const RECYCLE_AGAIN_MS = 60_000;

/**
 * Threads in a child process. A native crash, a kill for want of memory, a batch that never ends cost the child and
 * nothing else: its batches fail with `PROCESS_DIED`, and another child takes its place.
 */
export class ProcessPool implements Pool {
  readonly threads: number;
  readonly hasOwnProcess = true;
  readonly #options: ProcessPoolOptions;
  /** Gets the batches. */
  #current: ChildHandle | undefined;
  /** All that live: one that loads, the current one, and those that end their last batches. */
  readonly #children = new Set<ChildHandle>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  #replacing: Promise<void> | undefined;
  #vain = 0;
  #recycleNotBefore = -Infinity;
  #onFree: () => void = () => undefined;
  #onStuck: (error: RunnerError) => void = () => undefined;

  constructor(options: ProcessPoolOptions) {
    this.threads = options.threads;
    this.#options = options;
  }

  get running(): number {
    return [...this.#children].reduce((sum, child) => sum + child.running, 0);
  }

  idleThreads(): number {
    const child = this.#taker();
    return child === undefined ? 0 : Math.max(0, this.threads - child.running);
  }

  freeSlots(): number {
    const child = this.#taker();
    return child === undefined ? 0 : this.threads * BATCHES_PER_THREAD - child.running;
  }

  memory(): ProcessMemory {
    const { rssBytes, loadedRssBytes } = this.#current?.state ?? { rssBytes: 0, loadedRssBytes: 0 };
    return { rssBytes, limitBytes: memoryLimit(this.#options.maxMemoryBytes, loadedRssBytes) };
  }

  whenFree(callback: () => void): void {
    this.#onFree = callback;
  }

  whenStuck(callback: (error: RunnerError) => void): void {
    this.#onStuck = callback;
  }

  load(): Promise<LoadReport> {
    return this.#start('start');
  }

  async run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void> {
    const child = this.#current;
    if (child === undefined) throw new RunnerError('INTERNAL', 'A batch was sent while there was no child process.');
    this.#vain = 0;
    try {
      await child.run(items, onMessage);
    } finally {
      this.#afterBatch(child);
    }
  }

  cancel(): void {
    for (const child of this.#children) child.cancel();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  kill(): void {
    this.#closing.abort();
    for (const child of this.#children) child.dismiss();
  }

  /** The child that takes batches now. */
  #taker(): ChildHandle | undefined {
    return this.#closing.signal.aborted ? undefined : this.#current;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.cancel();
    // Those that are busy are ended after their last batch.
    for (const child of this.#children) dismissIfIdle(child);
    await Promise.all([...this.#children].map((child) => child.ended));
    await this.#replacing;
  }

  /** Starts a child and loads its models; from then on it gets the batches. */
  async #start(reason: StartReason): Promise<LoadReport> {
    const child = new ChildHandle(this.#options, {
      onMemory: () => this.#recycleIfDue(child),
      onEnd: (end) => this.#onEnd(child, end),
    });
    this.#children.add(child);
    const report = await child.load().catch((thrown: unknown) => {
      // The caller of `load()` gets the error itself.
      if (reason === 'start') child.dismiss();
      throw thrown;
    });
    const { pid, state } = child;
    this.#options.onEvent({ type: 'started', pid, reason, loadMs: report.loadMs, rssBytes: state.rssBytes });
    const previous = this.#current;
    this.#current = child;
    if (previous !== undefined) dismissIfIdle(previous);
    return report;
  }

  #onEnd(child: ChildHandle, end: ChildEnd): void {
    this.#children.delete(child);
    if (!child.isDismissed) this.#options.onEvent({ type: 'died', pid: child.pid, ...end });
    if (child !== this.#current) return;
    this.#current = undefined;
    if (!child.wasUsed && this.#givesUp(end.error)) return;
    this.#replace('restart');
  }

  #afterBatch(child: ChildHandle): void {
    if (child === this.#taker()) this.#recycleIfDue(child);
    else if (this.#children.has(child)) dismissIfIdle(child);
    // Whoever waited for the batch goes first.
    setImmediate(() => this.#onFree());
  }

  #recycleIfDue(child: ChildHandle): void {
    if (child !== this.#current || this.#replacing !== undefined || performance.now() < this.#recycleNotBefore) return;
    const reason = whyRecycle(child.state, this.#options.limits);
    if (reason === undefined) return;
    this.#replace('recycle', () => {
      // It may have died meanwhile.
      if (this.#children.has(child)) this.#options.onEvent({ type: 'recycled', pid: child.pid, reason });
    });
  }

  /** Sees to it that there is a new child; one attempt at a time. */
  #replace(reason: 'restart' | 'recycle', onReplaced: () => void = () => undefined): void {
    if (this.#closing.signal.aborted) return;
    this.#replacing ??= this.#startUntilLoaded(reason, onReplaced).finally(() => {
      this.#replacing = undefined;
      this.#onFree();
    });
  }

  async #startUntilLoaded(reason: 'restart' | 'recycle', onReplaced: () => void): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await pause(this.#vain, signal);
        await this.#start(this.#current === undefined ? 'restart' : reason);
        onReplaced();
        return;
      } catch (thrown) {
        if (this.#current === undefined && !this.#givesUp(coerceError(thrown))) continue;
        // Where the old one still works, it does for a while longer.
        this.#recycleNotBefore = performance.now() + RECYCLE_AGAIN_MS;
        return;
      }
    }
  }

  /** Counts a child that ended before it was given anything to do; whether it was one too many. */
  #givesUp(error: RunnerError): boolean {
    this.#vain += 1;
    if (this.#vain < MAX_VAIN || this.#closing.signal.aborted) return false;
    this.#onStuck(error);
    return true;
  }
}

async function pause(vain: number, signal: AbortSignal): Promise<void> {
  if (vain > 0) await sleep(BACKOFF_MS * 2 ** (vain - 1), undefined, { signal });
}

/** A child that gets no more batches ends with its last one. */
function dismissIfIdle(child: ChildHandle): void {
  if (child.running === 0) child.dismiss();
}
