import {
  check,
  durationMs,
  flag,
  listOf,
  numberBetween,
  oneOf,
  optional,
  positiveInteger,
  someText,
  wholeNumber,
  wholeNumberBetween,
  type Check,
} from './check.js';
import { DEVICES, DTYPES, type Device, type Dtype } from './model.js';
import { ISOLATION_CHECKS, ISOLATION_DEFAULTS, type IsolationOptions } from './isolation-options.js';
import { OCR_CHECKS, OCR_DEFAULTS, type OcrOptions } from './ocr-options.js';

/** The options that are plain values; each has a default. */
export interface TunableOptions extends OcrOptions, IsolationOptions {
  /** Which file of a model is used. @default 'fp32' */
  readonly dtype: Dtype;
  /** Where models run; `auto` takes the best that is there, and the processor at last. @default 'auto' */
  readonly device: Device;
  /** Refuse to start when the device asked for can't be had, instead of using the processor. @default false */
  readonly strictDevice: boolean;
  /**
   * Make large models ready for this machine when they are first opened on the processor: optimised and packed, in a file
   * of the model cache from which memory is mapped. Takes seconds once, and twice a model's size on the disk; from then on
   * it opens several times faster and needs a fraction of the memory. @default true
   */
  readonly prepareModels: boolean;
  /**
   * Worker threads, each with its own sessions. Left out: one; two on a processor of two cores and more for the task `face` and
   * for `dtype: 'q8'`, where there are no other tasks than `clip`, `face` and `text` and `intraOpThreads` is 0.
   */
  readonly threads: number | undefined;
  /** Processor threads of one session; 0 shares the cores out evenly: `threads x intraOpThreads <= cores`. @default 0 */
  readonly intraOpThreads: number;
  /** Photos per batch and model. Left out: 8 with one thread, 4 with more. */
  readonly maxBatch: number | undefined;
  /** Texts per batch and model; a short text is so little work that more of them are needed to fill the device. @default 32 */
  readonly maxTextBatch: number;
  /**
   * `auto` takes batch, threads and decodings from what `clip-runner doctor --tune` found for this machine and these models,
   * where it was run; options that are given win. `off` never does. @default 'auto'
   */
  readonly tuning: 'auto' | 'off';
  /** Bytes per batch: a model's tensors, and the files of direct calls. @default 268435456 (256 MiB) */
  readonly maxBatchBytes: number;
  /** How long a part batch waits for company while the device is busy, in milliseconds. @default 20 */
  readonly maxWaitMs: number;
  /**
   * Claimed jobs held at a time; 0 means four batches per thread, or, where jobs are over sooner than that, as many as are done in
   * 20 ms, 1024 at most. @default 0
   */
  readonly maxInFlight: number;
  /** Photos and texts of direct calls that may wait at a time; more are refused. @default 10000 */
  readonly maxDirect: number;
  /** `apply` turns pictures upright by their EXIF orientation; `ignore` takes the pixels as stored. @default 'apply' */
  readonly orientation: 'apply' | 'ignore';
  /** `fast` lets the JPEG decoder shrink large pictures; `exact` equals PIL bit by bit. @default 'fast' */
  readonly resample: 'fast' | 'exact';
  /** Folders that jobs may read from; relative paths resolve under the first. @default [the working directory] */
  readonly roots: readonly string[];
  /** Largest file that is read, in bytes. @default 104857600 (100 MiB) */
  readonly maxFileBytes: number;
  /** Largest picture that is decoded, in pixels. @default 100000000 */
  readonly maxPixels: number;
  /** Time limit of one decoding. @default 30000 */
  readonly decodeTimeoutMs: number;
  /**
   * Photos decoded, and held with all their pixels, at a time in one thread; 0: as many as it has cores, one more where it is
   * the only thread, at least 2 and at most 4. @default 0
   */
  readonly decodeConcurrency: number;
  /**
   * Bytes of decoded photos held at a time, all threads together; a photo that takes more is decoded when its thread holds
   * no other. Left out: 64 MiB for each core in use.
   */
  readonly maxDecodedBytes: number | undefined;
  /** Shut off decoders for all but JPEG, PNG, WebP, GIF and AVIF, for sharp in this whole process. @default true */
  readonly blockDecoders: boolean;
  /** Length that every model's vectors must have, or 0 for any. @default 0 */
  readonly embeddingDim: number;
  /** Detector and recogniser of the task `face`: a pack (`buffalo_l`), a repository or a folder. @default 'buffalo_l' */
  readonly faceModel: string;
  /** What the gallery stores beside each face. @default 'arcface-buffalo_l' */
  readonly faceLabel: string;
  /** Length that the vectors of faces must have, or 0 for any. @default 512 */
  readonly faceDim: number;
  /** The least score of a face, 0 to 1. @default 0.5 */
  readonly faceThreshold: number;
  /** Overlap (intersection over union) from which on two detections are one face. @default 0.4 */
  readonly faceNms: number;
  /** Side of the square that the detector sees, in pixels, a multiple of 32; 0: what its graph fixes, else 640. @default 0 */
  readonly faceSize: number;
  /** Of more faces the best are kept, and a `job:warning` tells it. @default 200 */
  readonly maxFacesPerPhoto: number;
  /** Callbacks of faces have landmarks, score and quality, too; direct calls always do. @default false */
  readonly faceExtras: boolean;
  /** Photos without a face, or with one that fills them, are looked at again, smaller and turned. @default false */
  readonly faceLadder: boolean;
  /**
   * `reduced` lets the JPEG decoder shrink large pictures; one with a small face is decoded in full once more. `full` gives
   * insightface's numbers. @default 'full'
   */
  readonly faceDecode: 'full' | 'reduced';
  /** Captioner of the task `caption`: a repository or a folder. @default 'Salesforce/blip-image-captioning-base' */
  readonly captionModel: string;
  /** Tokens of a caption at most. @default 64 */
  readonly captionMaxTokens: number;
  /** Longest element that is parsed, in bytes. @default 65536 */
  readonly maxElementBytes: number;
  /** What becomes of a job whose photo the server no longer knows (404): a dead letter, or done. @default 'bury' */
  readonly onGone: 'bury' | 'ack';
  /** Answers 401/403 in a row after which the runner stops with an error; 0 never. @default 10 */
  readonly authFailLimit: number;
  /** Time to load and test all models, downloads not counted. @default 300000 */
  readonly loadTimeoutMs: number;
  /**
   * Time that a batch may take in a thread. With `isolation: 'process'` the child is then ended, and what it had in hand tried
   * again one by one; a thread of this process is only given up. @default 300000
   */
  readonly batchTimeoutMs: number;
  /** Time that `stop()` takes at most. @default 8000 */
  readonly shutdownTimeoutMs: number;
}

/** What is taken for an option that is not given. */
export const TUNABLE_DEFAULTS: TunableOptions = {
  dtype: 'fp32',
  device: 'auto',
  strictDevice: false,
  prepareModels: true,
  threads: undefined,
  intraOpThreads: 0,
  maxBatch: undefined,
  maxTextBatch: 32,
  tuning: 'auto',
  maxBatchBytes: 256 * 1024 * 1024,
  maxWaitMs: 20,
  maxInFlight: 0,
  maxDirect: 10_000,
  orientation: 'apply',
  resample: 'fast',
  roots: [process.cwd()],
  maxFileBytes: 100 * 1024 * 1024,
  maxPixels: 100_000_000,
  decodeTimeoutMs: 30_000,
  decodeConcurrency: 0,
  maxDecodedBytes: undefined,
  blockDecoders: true,
  embeddingDim: 0,
  faceModel: 'buffalo_l',
  faceLabel: 'arcface-buffalo_l',
  faceDim: 512,
  faceThreshold: 0.5,
  faceNms: 0.4,
  faceSize: 0,
  maxFacesPerPhoto: 200,
  faceExtras: false,
  faceLadder: false,
  faceDecode: 'full',
  captionModel: 'Salesforce/blip-image-captioning-base',
  captionMaxTokens: 64,
  ...OCR_DEFAULTS,
  ...ISOLATION_DEFAULTS,
  maxElementBytes: 65_536,
  onGone: 'bury',
  authFailLimit: 10,
  loadTimeoutMs: 300_000,
  batchTimeoutMs: 300_000,
  shutdownTimeoutMs: 8_000,
};

/** An empty list would let jobs read any file. */
const someFolders: Check<readonly string[]> = {
  expected: 'a list of at least one folder',
  accepts: (value): value is readonly string[] => listOf(someText).accepts(value) && value.length > 0,
};

/** Detectors answer on grids of up to 32 pixels; the upper bound keeps a misspelt size from taking all memory. */
const detectorSide: Check<number> = check(
  'a multiple of 32 from 64 to 4096, or 0',
  (value): value is number => value === 0 || (wholeNumberBetween(64, 4096).accepts(value) && value % 32 === 0),
);

/** What each option must be. */
export const TUNABLE_CHECKS: { readonly [Name in keyof TunableOptions]: Check<TunableOptions[Name]> } = {
  dtype: oneOf(DTYPES),
  device: oneOf(DEVICES),
  strictDevice: flag,
  prepareModels: flag,
  threads: optional(positiveInteger),
  intraOpThreads: wholeNumber,
  maxBatch: optional(positiveInteger),
  maxTextBatch: positiveInteger,
  tuning: oneOf(['auto', 'off']),
  maxBatchBytes: positiveInteger,
  maxWaitMs: wholeNumberBetween(0, 60_000),
  maxInFlight: wholeNumber,
  maxDirect: positiveInteger,
  orientation: oneOf(['apply', 'ignore']),
  resample: oneOf(['fast', 'exact']),
  roots: someFolders,
  maxFileBytes: positiveInteger,
  maxPixels: positiveInteger,
  decodeTimeoutMs: wholeNumberBetween(1, 3_600_000),
  decodeConcurrency: wholeNumber,
  maxDecodedBytes: optional(positiveInteger),
  blockDecoders: flag,
  embeddingDim: wholeNumber,
  faceModel: someText,
  faceLabel: someText,
  faceDim: wholeNumber,
  faceThreshold: numberBetween(0, 1),
  faceNms: numberBetween(0, 1),
  faceSize: detectorSide,
  maxFacesPerPhoto: positiveInteger,
  faceExtras: flag,
  faceLadder: flag,
  faceDecode: oneOf(['full', 'reduced']),
  captionModel: someText,
  captionMaxTokens: positiveInteger,
  ...OCR_CHECKS,
  ...ISOLATION_CHECKS,
  maxElementBytes: positiveInteger,
  onGone: oneOf(['bury', 'ack']),
  authFailLimit: wholeNumber,
  loadTimeoutMs: durationMs,
  batchTimeoutMs: durationMs,
  shutdownTimeoutMs: durationMs,
};
