import type { Delivery, InputKind, Job } from '../job.js';
import type { Device, RunnerModels } from '../model.js';
import type { Session } from '../tensor.js';

/**
 * A kind of work on photos or texts. A task has two sides that never share memory:
 * `open()` and what it returns run in a worker thread; `deliver()` runs in the main thread.
 *
 * Built-in tasks stand in the table of `tasks/index.ts`. A task of one's own is a module whose default export is a
 * `Task` and whose `module` is its `import.meta.url`: the threads import it from there.
 */
export interface Task {
  /** As it stands in a job's `tasks`. */
  readonly name: string;
  /** Further names for the same task (`faces` for `face`). */
  readonly aliases?: readonly string[];
  /** Tasks whose jobs get this one, too, where the runner has it (`caption` for every job with `clip`). */
  readonly impliedBy?: readonly string[];
  readonly input: InputKind;
  /** `import.meta.url` of the module that exports this task by default; only for tasks outside the library. */
  readonly module?: string;

  /** In the thread, once: loads what the task needs and names its units of work. */
  open(context: TaskContext): Promise<readonly TaskUnit[]> | readonly TaskUnit[];

  /** In the main thread: the callbacks for one unit's value; an empty array posts nothing. */
  deliver(value: unknown, job: Job, unit: UnitInfo): readonly Delivery[];

  /** In the main thread: something about a job's value that belongs in the log (`job:warning`), if there is anything. */
  warningOf?(value: unknown): string | undefined;
}

/**
 * One model's work within a task. Every item of a batch gets one outcome per unit. The thread calls `prepare` for each
 * photo right after its decoding, then `run` over the batch; pixels are freed after `prepare` unless it keeps them.
 */
export interface TaskUnit<Prepared = unknown> {
  /** Unique within the task; for CLIP the model's label. */
  readonly label: string;
  /** Items per `run` at most, where that is less than the runner's `maxBatch`. Default: the runner's `maxBatch`. */
  readonly maxBatch?: number;
  /**
   * The batch of a graph that takes no other, whatever `maxBatch` says: a run of fewer items is filled up and takes as long, so
   * the runs are as full as can be. Default: the graph takes any batch.
   */
  readonly fixedBatch?: number;
  /** How much of `maxBatch` an input takes, e.g. the faces of a photo. Default: 1 each. */
  weigh?(prepared: Prepared): number;
  /** How much of the picture the unit needs. Default: the full picture. */
  readonly minPixels?: PixelNeed;
  /** Device that the unit truly runs on. */
  readonly device?: Device;
  /** The model as the user named it; sent as `ml_result.model_name`. */
  readonly modelName?: string;
  /** Length of the vectors that the unit makes, where it makes any. */
  readonly dimension?: number;

  /** Makes one input ready for `run`. @throws RunnerError which fails this item alone */
  prepare(input: PreparedInput): Prepared | Promise<Prepared>;
  /**
   * One value per input, in order; a `RunnerError` in a place is the failure of that item alone.
   * A throw fails the whole call: the thread then halves the batch until the bad item stands alone.
   */
  run(inputs: readonly Prepared[], control: RunControl): Promise<readonly unknown[]> | readonly unknown[];
  /**
   * Its `run` goes in steps of at most a second or two and heeds `control` between them. Runs of others are given so few inputs
   * that they end soon, because nothing can interrupt them. @default false
   */
  readonly heedsControl?: boolean;
  /**
   * What `prepare` answers shares no memory with its input, and nobody looks at the input afterwards. Where all units of a photo
   * say so, its pixels are gone at once; otherwise with a garbage collection. @default false
   */
  readonly releasesInput?: boolean;
  /** Frees what `open()` took; called once, when nothing runs. */
  close?(): Promise<void>;
}

/** What the thread tells a `run` that is under way. */
export interface RunControl {
  /** To be called between steps. @throws RunnerError `RUNNER_STOPPED` where the runner stops and nobody waits for this run any more */
  throwIfStopped(): void;
}

/** A unit without its functions: what the main thread knows of it. */
export interface UnitInfo {
  readonly task: string;
  readonly label: string;
  readonly device: Device;
  readonly maxBatch: number;
  readonly modelName?: string;
  readonly dimension?: number;
}

/** A decoder may shrink a picture while decoding as long as this much remains. */
export interface PixelNeed {
  /** The side lengths in pixels that resizing will end at; at least twice of them remains. */
  readonly width: number;
  readonly height: number;
  /**
   * `shortest` and `squash`: no side of the picture may get shorter than that. `inside`: the picture will be fitted into this
   * rectangle, so one side of it must be as long.
   */
  readonly mode: 'shortest' | 'squash' | 'inside';
  /** The unit may ask for all pixels later (`Photo.inFull`); memory for them is kept. @default false */
  readonly orFull?: boolean;
}

/** What `prepare` gets: a decoded picture, or a text for tasks whose `input` is `text`. */
export type PreparedInput = Photo | string;

/** A decoded picture: 8-bit sRGB, rows without padding, alpha dropped, upright unless `orientation` is `ignore`. */
export interface Photo {
  readonly width: number;
  readonly height: number;
  /** `height x width x 3` bytes, RGB. */
  readonly data: Uint8Array;
  /** Size of the original picture, after orientation; larger than `width` where the decoder shrank it. */
  readonly originalWidth: number;
  readonly originalHeight: number;
  /**
   * The part of the original that `data` shows: a decoder that shrinks may leave out the last few columns and rows.
   * Default: all of it.
   */
  readonly region?: PixelRegion;
  /**
   * The same photo with fewer pixels, as many as `minPixels` of the job's units ask for; there where another unit needs
   * it in full, and the settings would have let the decoder shrink it.
   */
  readonly reduced?: Photo;
  /**
   * Decodes the same photo in full, each time anew; there where the decoder shrank it and a unit's need says `orFull`. Only
   * within `prepare`: it counts as a decoding of its own.
   * @throws RunnerError `IMAGE_*`
   */
  readonly inFull?: () => Promise<Photo>;
}

/** A rectangle in pixels of the upright original. */
export interface PixelRegion {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What a thread gives a task to open itself with. */
export interface TaskContext extends RunnerModels {
  readonly maxBatch: number;
  /** `openSession` is the only way to a model: it knows device, threads and memory settings. */
  openSession(file: string, options?: OpenOptions): Promise<Session>;
}

/** How a session differs from the others of its thread. */
export interface OpenOptions {
  /**
   * Whether the session keeps the memory of its runs for the next one. Without it a run takes up to a tenth longer, and a
   * process that has such a session in each thread needs tens of megabytes less. @default true
   */
  readonly arena?: boolean;
}
