import { Batcher } from './batch/batcher.js';
import type { Batchable, BatchLimits } from './batch/policy.js';
import { RunnerError, coerceError } from './errors.js';
import type { Emit } from './events.js';
import type { ThreadPool } from './pool/pool.js';
import type { ThreadItem, ThreadMessage, ThreadOutcome } from './pool/protocol.js';

/** An item with what is to happen to its outcomes. */
export interface LaneItem extends Batchable {
  readonly threadItem: ThreadItem;
  readonly onOutcome: (task: string, unit: string, outcome: ThreadOutcome) => void;
  /** The batch is over: every outcome that is to come has come. */
  readonly onEnd: (error: RunnerError | undefined) => void;
}

/** A batcher and the threads it feeds: all items of one kind of input share both, from the queue or from direct calls. */
export class Lane {
  readonly name: string;
  readonly #pool: ThreadPool;
  readonly #batcher: Batcher<LaneItem>;
  readonly #emit: Emit;

  constructor(name: string, pool: ThreadPool, limits: BatchLimits & { readonly maxWaitMs: number }, emit: Emit) {
    this.name = name;
    this.#pool = pool;
    this.#emit = emit;
    this.#batcher = new Batcher<LaneItem>(
      {
        idleThreads: () => pool.idleThreads(),
        freeSlots: () => pool.freeSlots(),
        send: (items) => void this.#run(items),
      },
      limits,
    );
    pool.whenFree(() => this.#batcher.pump());
  }

  get waiting(): number {
    return this.#batcher.size;
  }

  get running(): number {
    return this.#pool.running;
  }

  submit(items: readonly LaneItem[]): void {
    this.#batcher.push(items);
  }

  flush(): void {
    this.#batcher.flush();
  }

  /** Drops what was not begun: waiting items and batches that the threads hold but have not run. */
  cancel(): void {
    const error = new RunnerError('RUNNER_STOPPED', 'The runner is stopping; this work was not begun.');
    this.#pool.cancel();
    for (const item of this.#batcher.clear()) item.onEnd(error);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run(items: readonly LaneItem[]): Promise<void> {
    const startedAt = performance.now();
    this.#emit('batch:started', { lane: this.name, items: items.length });
    let error: RunnerError | undefined;
    try {
      await this.#pool.run(
        items.map(({ threadItem }) => threadItem),
        (message) => this.#onMessage(items, message),
      );
    } catch (thrown) {
      error = coerceError(thrown);
    }
    for (const item of items) item.onEnd(error);
    this.#emit('batch:finished', { lane: this.name, items: items.length, ms: performance.now() - startedAt });
  }

  #onMessage(items: readonly LaneItem[], message: ThreadMessage): void {
    if (message.type === 'outcome') items[message.item]?.onOutcome(message.task, message.unit, message.outcome);
    if (message.type === 'stage') this.#emit('stage:measured', { ...message, unit: message.unit });
  }
}
