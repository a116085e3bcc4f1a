import type { RunnerError } from './errors.js';
import type { Device } from './model.js';

/**
 * What a runner tells. Names are `noun:verb`, payloads are objects that may grow. `docs/events.md` lists them; a test
 * compares the two. A listener that throws never harms the work: its error becomes a process warning.
 */
export interface RunnerEvents {
  /** A model file is on its way from the hub. */
  'model:progress': {
    readonly label: string;
    readonly file: string;
    readonly receivedBytes: number;
    readonly totalBytes: number;
  };
  /** A model passed its self-test in every thread. */
  'model:ready': {
    readonly task: string;
    readonly label: string;
    readonly device: Device;
    /** Why it is not the one that was asked for, or that `auto` prefers and has tried; mostly empty. */
    readonly refusals: readonly string[];
    readonly maxBatch: number;
    readonly dimension: number | undefined;
  };
  /** A model whose licence does not allow every use; told once at the start. */
  'model:licence': { readonly label: string; readonly name: string; readonly licence: string };
  'runner:ready': {
    readonly threads: number;
    readonly intraOpThreads: number;
    readonly maxBatch: number;
    readonly decodeConcurrency: number;
    readonly loadMs: number;
  };
  'runner:stopping': { readonly deadlineMs: number };
  /** `unfinished`: jobs that were given back to their queue. */
  'runner:stopped': { readonly unfinished: number };
  /** The runner can't go on (the server refuses its token, say) and stops by itself. */
  'runner:failed': { readonly error: RunnerError };

  /** With `isolation: 'process'`: a child process has loaded its models and gets the batches of its lane from now on. */
  'child:started': {
    readonly lane: string;
    readonly pid: number;
    readonly reason: 'start' | 'restart' | 'recycle';
    readonly loadMs: number;
    readonly rssBytes: number;
  };
  /** A child process ended, or had to be ended, with `items` in hand: they are tried again one by one. */
  'child:died': {
    readonly lane: string;
    readonly pid: number;
    readonly code: number | null;
    readonly signal: string | null;
    readonly items: number;
    readonly error: RunnerError;
  };
  /** A child process was replaced though nothing was wrong with it; it ends when its last batches are done. */
  'child:recycled': { readonly lane: string; readonly pid: number; readonly reason: 'memory' | 'jobs' | 'age' };

  'job:claimed': {
    readonly queue: string;
    readonly jobId: string;
    readonly tasks: readonly string[];
    readonly isSuspect: boolean;
  };
  /** Names in a job's `tasks` that this runner does not do. Not an error. */
  'job:ignored': { readonly queue: string; readonly jobId: string; readonly tasks: readonly string[] };
  /** Something about a job's result that somebody may want to know; the job goes on. */
  'job:warning': {
    readonly queue: string;
    readonly jobId: string;
    readonly unit: string;
    readonly message: string;
  };
  /** `tasks`: what this runner did for it. */
  'job:done': {
    readonly queue: string;
    readonly jobId: string;
    readonly tasks: readonly string[];
    readonly ms: number;
  };
  'job:retried': {
    readonly queue: string;
    readonly jobId: string;
    readonly tasks: readonly string[];
    readonly attempts: number;
    readonly delayMs: number;
    readonly error: RunnerError;
  };
  /** To the dead letters. `jobId` and `tasks` are empty where the element could not be understood. */
  'job:buried': {
    readonly queue: string;
    readonly jobId: string;
    readonly tasks: readonly string[];
    readonly reason: string;
    readonly error: RunnerError;
  };

  'batch:started': { readonly lane: string; readonly items: number };
  /** `error`: why the batch as a whole failed, where it did. */
  'batch:finished': {
    readonly lane: string;
    readonly items: number;
    readonly ms: number;
    readonly error: RunnerError | undefined;
  };
  /** Batches became smaller because memory is short, or larger again. */
  'batch:limited': {
    readonly lane: string;
    readonly maxBatch: number;
    readonly rssBytes: number;
    readonly limitBytes: number;
  };
  /** Time of one step: `wait` of one input for its batch; in a thread `read`, `decode`, `prepare` of one, `run` of `count`. */
  'stage:measured': {
    readonly stage: string;
    readonly ms: number;
    readonly count: number;
    readonly unit: string | undefined;
  };

  'callback:delivered': { readonly jobId: string; readonly unit: string; readonly ms: number };
  /** The sink can't take it now; it is kept and sent again. */
  'callback:held': {
    readonly jobId: string;
    readonly unit: string;
    readonly tries: number;
    readonly error: RunnerError;
  };
  'callback:failed': { readonly jobId: string; readonly unit: string; readonly error: RunnerError };
  /** The circuit breaker opened: nothing more is claimed until the sink answers again. */
  'sink:down': { readonly error: RunnerError };
  /** The server asked for a pause (429). */
  'sink:paused': { readonly pauseMs: number; readonly error: RunnerError };
  'sink:up': { readonly downMs: number };

  'queue:down': { readonly queue: string; readonly error: RunnerError };
  'queue:up': { readonly queue: string };
  /** Elements found in our own processing list that no reply had told us of. */
  'queue:adopted': { readonly queue: string; readonly count: number };
  /** Elements of ours that another runner took for lost; they are finished all the same. */
  'queue:lease-lost': { readonly queue: string; readonly count: number };
  /** Elements recovered from a consumer that died. */
  'queue:reaped': { readonly queue: string; readonly consumer: string; readonly count: number };
  'queue:promoted': { readonly queue: string; readonly count: number };
  'queue:warning': { readonly queue: string; readonly message: string };
}

/** Name of an event, `noun:verb`. */
export type EventName = keyof RunnerEvents;

type Listener<Name extends EventName> = (event: RunnerEvents[Name]) => void;

export type Emit = <Name extends EventName>(name: Name, event: RunnerEvents[Name]) => void;

/** A typed emitter whose listeners can't break their caller. */
export class EventHub {
  readonly #listeners = new Map<EventName, Set<Listener<never>>>();

  /** Answers a function that ends the subscription. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  readonly emit: Emit = (name, event) => {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        // A listener may be an async function, though its answer is not waited for.
        const answer: unknown = (listener as (event: unknown) => unknown)(event);
        if (answer instanceof Promise) answer.catch(warn);
      } catch (thrown) {
        warn(thrown);
      }
    }
  };
}

function warn(thrown: unknown): void {
  process.emitWarning(thrown instanceof Error ? thrown : String(thrown), { code: 'CLIP_RUNNER_LISTENER' });
}
