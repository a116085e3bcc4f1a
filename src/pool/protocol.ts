import type { ErrorEnvelope } from '../errors.js';
import type { JobInput } from '../job.js';
import type { Device, RunnerModels } from '../model.js';
import type { TensorData, TensorInfo } from '../tensor.js';
import type { PackedSaid } from './packed-messages.js';

/**
 * The only shapes that cross threads and processes: plain data that can be cloned.
 * Progress and outcomes come under the number of the exchange or batch, in order, closed by `end`.
 */

/** What a thread is started with. */
export interface WorkerData {
  readonly settings: WorkerSettings;
  readonly shared: SharedState;
  readonly threads: number;
  /** The threads are all that there is in the process: they may end it. */
  readonly isOwnProcess: boolean;
}

/** A few integers that all threads of a pool and the main thread read and write with `Atomics`. */
export type SharedState = Int32Array<SharedArrayBuffer>;

/** The places in `SharedState`. */
export const SHARED = {
  /** 1: work that was not begun is to be dropped. */
  isCancelled: 0,
  /** Threads that have loaded their models. */
  loadedThreads: 1,
} as const;

export interface WorkerSettings {
  /** Names of built-in tasks, and module URLs of tasks of the user's own. */
  readonly tasks: readonly TaskRef[];
  readonly models: RunnerModels;
  readonly maxBatch: number;
  readonly image: ImageSettings;
  readonly session: SessionSettings;
  /** Where graphs that are ready for this machine are kept; without it none are made or used. */
  readonly preparedFolder?: string;
}

export interface TaskRef {
  readonly name: string;
  readonly module?: string;
}

export interface ImageSettings {
  /** `apply`: EXIF orientation is honoured. `ignore`: pixels as stored, as the Python runner did for CLIP. */
  readonly orientation: 'apply' | 'ignore';
  /** `fast`: a JPEG decoder may shrink while decoding. `exact`: bit-equal to PIL from the decoded pixels on. */
  readonly resample: 'fast' | 'exact';
  /** Folders that job paths may lie in; relative ones resolve under the first. Empty: any regular file. */
  readonly roots: readonly string[];
  readonly maxFileBytes: number;
  readonly maxPixels: number;
  readonly decodeTimeoutMs: number;
  /** Decodings at a time in one thread. */
  readonly decodeConcurrency: number;
  /** Bytes of decoded photos in one thread at a time. */
  readonly maxDecodedBytes: number;
  /** Whether decoders other than those for JPEG, PNG, WebP, GIF and AVIF/HEIF buffers are shut off in this process. */
  readonly blockDecoders: boolean;
}

export interface SessionSettings {
  readonly device: Device;
  readonly strictDevice: boolean;
  readonly intraOpThreads: number;
  /** Whether the memory of a run is kept for the next one. @default true */
  readonly arena?: boolean;
}

export type ThreadRequest = { readonly exchange: number } & (
  { readonly type: 'load' } | { readonly type: 'batch'; readonly items: readonly ThreadItem[] }
);

/** What a thread says to one request, in order; `end` is the last. */
export interface ThreadSaid {
  readonly exchange: number;
  readonly messages: readonly ThreadMessage[];
}

export interface ThreadItem {
  readonly input: JobInput;
  /** Paths of jobs are held inside the roots; those of direct calls are the program's own. */
  readonly isTrusted: boolean;
  /** Tasks (`clip`), or single units of them (`clip/clip-ViT-L-14`). */
  readonly tasks: readonly string[];
}

export type ThreadMessage =
  | { readonly type: 'loading'; readonly task: string }
  | {
      readonly type: 'loaded';
      readonly units: readonly ThreadUnit[];
      readonly loadMs: number;
      readonly rssBytes: number;
    }
  | {
      readonly type: 'outcome';
      readonly item: number;
      readonly task: string;
      readonly unit: string;
      readonly outcome: ThreadOutcome;
    }
  | {
      readonly type: 'stage';
      readonly stage: StageName;
      readonly ms: number;
      /** Whose step it was, by their places in the batch. */
      readonly items: readonly number[];
      readonly unit?: string;
    }
  | { readonly type: 'end'; readonly error?: ErrorEnvelope };

export type StageName = 'read' | 'decode' | 'prepare' | 'run';

export type ThreadOutcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: ErrorEnvelope };

export interface ThreadUnit {
  readonly task: string;
  readonly label: string;
  readonly device: Device;
  /** Why its sessions don't run on a device that was to be preferred. */
  readonly refusals?: readonly string[];
  readonly maxBatch: number;
  readonly modelName?: string;
  readonly dimension?: number;
}

/** What was loaded, and how long it took. */
export interface LoadReport {
  readonly units: readonly ThreadUnit[];
  readonly loadMs: number;
}

/** What a parent tells its child process. */
export type ChildRequest =
  | { readonly type: 'load'; readonly threads: number; readonly settings: WorkerSettings }
  | { readonly type: 'batch'; readonly batch: number; readonly items: readonly ThreadItem[] }
  | { readonly type: 'cancel' };

/** What a child process tells its parent. */
export type ChildMessage =
  | { readonly type: 'loaded'; readonly report: LoadReport; readonly rssBytes: number }
  | { readonly type: 'refused'; readonly error: ErrorEnvelope }
  /** What the threads said since the last time, by batches. */
  | { readonly type: 'said'; readonly said: readonly PackedSaid[] }
  | { readonly type: 'memory'; readonly rssBytes: number }
  /** The child ends itself, for this reason. */
  | { readonly type: 'dying'; readonly message: string };

/** A thread's message, with the number of the batch that it belongs to. */
export interface ChildLine {
  readonly batch: number;
  readonly message: ThreadMessage;
}

/** What a worker thread asks of the thread that runs its sessions; each is answered once, under its number. */
export type SessionRequest = { readonly id: number } & (
  | { readonly type: 'open'; readonly file: string; readonly settings: SessionSettings }
  | { readonly type: 'run'; readonly session: number; readonly feeds: Readonly<Record<string, TensorData>> }
  | { readonly type: 'close'; readonly session: number }
);

export type SessionAnswer = { readonly id: number } & (
  | { readonly type: 'opened'; readonly session: OpenedSession }
  | { readonly type: 'ran'; readonly outputs: Readonly<Record<string, TensorData>> }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly error: ErrorEnvelope }
);

/** A session of another thread: what is known of it here. */
export interface OpenedSession {
  readonly number: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly device: Device;
  readonly refusals?: readonly string[];
}
