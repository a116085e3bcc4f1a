import type { RunnerError } from '../errors.js';
import type { ProcessMemory } from '../process-memory.js';
import type { LoadReport, ThreadItem, ThreadMessage, WorkerSettings } from './protocol.js';

/** What every pool is made with. */
export interface PoolOptions {
  readonly threads: number;
  readonly settings: WorkerSettings;
  /** The time that all threads together may take to load and test their models. */
  readonly loadTimeoutMs: number;
  /** The time after which a batch is given up. */
  readonly batchTimeoutMs: number;
  /** What the process with the threads may take, in bytes; 0: no limit. */
  readonly maxMemoryBytes: number;
}

/** Batches that one thread holds at most: one that runs, and one that is decoded meanwhile. */
export const BATCHES_PER_THREAD = 2;

/**
 * Threads with models, in this process (`ThreadPool`) or in a child of it (`ProcessPool`).
 *
 * `run()` takes a batch only while `freeSlots()` is above zero. Outcomes come one by one through its listener, and all
 * that are to come have come when its promise settles.
 */
export interface Pool {
  readonly threads: number;
  /** Whether the threads are in a process of their own. */
  readonly hasOwnProcess: boolean;
  /** Batches that are under way. */
  readonly running: number;
  /** Threads that hold no batch and could take one now. */
  idleThreads(): number;
  /** Batches that may be sent now. */
  freeSlots(): number;
  /** Of the process that gets the batches now. */
  memory(): ProcessMemory;
  /**
   * Loads the models in every thread. Called once, before `run()`.
   * @throws RunnerError what the first failing thread said, `THREAD_TIMEOUT` or `PROCESS_DIED`.
   */
  load(): Promise<LoadReport>;
  /**
   * Runs a batch.
   * @throws RunnerError where the batch as a whole failed: `PROCESS_DIED` where the process that held it ended, by itself or
   *   because it was overdue; `THREAD_DIED`, `THREAD_TIMEOUT` from threads of this process.
   */
  run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void>;
  /** Sets what is called whenever there may be room. */
  whenFree(callback: () => void): void;
  /** Sets what is called when nothing more can be done here. */
  whenStuck(callback: (error: RunnerError) => void): void;
  /** Work that the threads have not begun is dropped: its items fail with `RUNNER_STOPPED`. */
  cancel(): void;
  /** Waits for the batches under way, then ends the threads. Idempotent; ends a pool that loads. */
  close(): Promise<void>;
  /** Ends what is under way by force, where that harms nobody: a thread of this process is left to itself. */
  kill(): void;
}
