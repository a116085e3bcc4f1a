import { Batcher } from './batch/batcher.js';
import { BatchGovernor } from './batch/governor.js';
import type { Batchable, BatchLimits } from './batch/policy.js';
import { RunnerError, coerceError } from './errors.js';
import type { Emit } from './events.js';
import { SuspectList, judge } from './batch/suspects.js';
import type { LaneStats } from './stats.js';
import type { Pool } from './pool/pool.js';
import type { ThreadItem, ThreadMessage, ThreadOutcome } from './pool/protocol.js';
import type { JobTrace } from './tracing.js';

/** An item with what is to happen to its outcomes. */
export interface LaneItem extends Batchable {
  readonly threadItem: ThreadItem;
  /** An earlier process died with it in hand: it goes alone. */
  readonly isSuspect: boolean;
  /** When it began to wait, by `performance.now()`. */
  readonly sinceMs: number;
  /** Where somebody traces it. */
  readonly trace?: JobTrace | undefined;
  onOutcome(task: string, unit: string, outcome: ThreadOutcome): void;
  /** It is over: every outcome that is to come has come. */
  onEnd(error: RunnerError | undefined): void;
}

type StageMessage = Extract<ThreadMessage, { readonly type: 'stage' }>;

/** An item in the hands of the threads: what of it is still to come, and how many processes have died with it. */
interface Entry {
  readonly item: LaneItem;
  readonly missing: Set<string>;
  readonly kills: number;
}

/**
 * A batcher and the threads it feeds: all items of one kind of input share both, from the queue or from direct calls.
 * Items whose process died are tried again alone, before any other batch, see `SuspectList`.
 */
export class Lane {
  readonly name: string;
  readonly #pool: Pool;
  readonly #batcher: Batcher<LaneItem>;
  readonly #governor: BatchGovernor;
  readonly #suspects = new SuspectList<Entry>();
  readonly #emit: Emit;
  #isCancelled = false;

  constructor(name: string, pool: Pool, limits: BatchLimits & { readonly maxWaitMs: number }, emit: Emit) {
    this.name = name;
    this.#pool = pool;
    this.#emit = emit;
    this.#governor = new BatchGovernor(limits.maxBatch);
    this.#batcher = new Batcher<LaneItem>(
      {
        idleThreads: () => (this.#suspects.isBusy ? 0 : pool.idleThreads()),
        freeSlots: () => (this.#suspects.isBusy ? 0 : pool.freeSlots()),
        send: (items) => void this.#run(items.map((item) => entryOf(item))),
      },
      limits,
    );
    pool.whenFree(() => this.#pump());
  }

  stats(): LaneStats {
    const { rssBytes, limitBytes } = this.#pool.memory();
    const { hasOwnProcess, running } = this.#pool;
    return {
      lane: this.name,
      waiting: this.#batcher.size + this.#suspects.size,
      running,
      hasOwnProcess,
      rssBytes,
      limitBytes,
    };
  }

  submit(items: readonly LaneItem[]): void {
    for (const item of items.filter(({ isSuspect }) => isSuspect)) this.#suspects.add(entryOf(item));
    this.#batcher.push(items.filter(({ isSuspect }) => !isSuspect));
    this.#pump();
  }

  flush(): void {
    this.#batcher.flush();
  }

  /** Drops what was not begun: waiting items and batches that the threads hold but have not run. */
  cancel(): void {
    this.#isCancelled = true;
    this.#pool.cancel();
    for (const item of this.#batcher.clear()) item.onEnd(stopped());
    for (const { item } of this.#suspects.clear()) item.onEnd(stopped());
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Ends what runs by force, where that is possible. */
  kill(): void {
    this.#pool.kill();
  }

  #pump(): void {
    this.#heedMemory();
    const suspect = this.#pool.freeSlots() > 0 ? this.#suspects.take(this.#pool.running) : undefined;
    if (suspect === undefined) this.#batcher.pump();
    else void this.#run([suspect]).finally(() => this.#endTrial());
  }

  #heedMemory(): void {
    const memory = this.#pool.memory();
    if (!this.#governor.observe(memory, performance.now())) return;
    const { size: maxBatch } = this.#governor;
    this.#batcher.limit(maxBatch);
    this.#emit('batch:limited', { lane: this.name, maxBatch, ...memory });
  }

  #endTrial(): void {
    this.#suspects.endTrial();
    this.#pump();
  }

  async #run(entries: readonly Entry[]): Promise<void> {
    const startedAt = performance.now();
    this.#emit('batch:started', { lane: this.name, items: entries.length });
    for (const { item, kills } of entries) if (kills === 0) this.#measureWait(item, startedAt);
    let error: RunnerError | undefined;
    try {
      const items = entries.map((entry) => threadItemOf(entry));
      await this.#pool.run(items, (message) => this.#onMessage(entries, message));
    } catch (thrown) {
      error = coerceError(thrown);
    }
    for (const entry of entries) this.#end(entry, error);
    this.#emit('batch:finished', { lane: this.name, items: entries.length, ms: performance.now() - startedAt, error });
  }

  #measureWait({ sinceMs, trace }: LaneItem, startedAt: number): void {
    this.#emit('stage:measured', { stage: 'wait', ms: startedAt - sinceMs, count: 1, unit: undefined });
    trace?.taken();
  }

  #onMessage(entries: readonly Entry[], message: ThreadMessage): void {
    if (message.type === 'outcome') {
      const { task, unit, outcome } = message;
      const entry = entries[message.item];
      entry?.missing.delete(`${task}/${unit}`);
      entry?.item.onOutcome(task, unit, outcome);
    }
    if (message.type === 'stage') this.#onStage(entries, message);
  }

  #onStage(entries: readonly Entry[], { stage, ms, items, unit }: StageMessage): void {
    const count = items.length;
    this.#emit('stage:measured', { stage, ms, count, unit });
    for (const index of items) {
      const trace = entries[index]?.item.trace;
      trace?.measured(stage, ms, unit === undefined ? {} : { unit, count });
    }
  }

  #end({ item, missing, kills }: Entry, error: RunnerError | undefined): void {
    if (error?.code !== 'PROCESS_DIED') item.onEnd(error);
    else if (missing.size === 0) item.onEnd(undefined);
    else if (this.#isCancelled) item.onEnd(stopped());
    else if (judge(kills + 1) === 'suspect') this.#suspects.add({ item, missing, kills: kills + 1 });
    else item.onEnd(poison(kills + 1, error));
  }
}

function entryOf(item: LaneItem): Entry {
  return { item, missing: new Set(item.threadItem.tasks), kills: 0 };
}

/** As it is where nothing of it has come: what items share is then cloned for the thread once. */
function threadItemOf({ item: { threadItem }, missing }: Entry): ThreadItem {
  return missing.size === threadItem.tasks.length ? threadItem : { ...threadItem, tasks: [...missing] };
}

function stopped(): RunnerError {
  return new RunnerError('RUNNER_STOPPED', 'The runner is stopping; this work was not begun.');
}

function poison(kills: number, cause: RunnerError): RunnerError {
  const message = `${kills} child processes ended while they had this in hand, the last ones with nothing else: ${cause.message}`;
  return new RunnerError('JOB_POISON', message, { cause, kills });
}
