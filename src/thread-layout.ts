import { mayLeaveProcessor } from './pool/devices.js';
import { taskNames } from './task-names.js';
import type { Task } from './tasks/task.js';
import type { TunableOptions } from './tunable-options.js';

/** How a machine is shared out among the threads of the photos. */
export interface ThreadLayout {
  readonly threads: number;
  /** Cores of one session. */
  readonly intraOpThreads: number;
  /** Photos per batch. */
  readonly maxBatch: number;
  /** Photos decoded at a time in one thread. */
  readonly decodeConcurrency: number;
  /** Bytes of decoded photos held at a time, in all threads together. */
  readonly maxDecodedBytes: number;
}

/** What was asked for; what is undefined, or 0, is open. */
export type AskedLayout = Pick<TunableOptions, keyof ThreadLayout | 'device' | 'dtype'> & {
  readonly tasks: readonly (string | Task)[];
};

const THREADS_TO_SHARE = 2;
const FACE_NAMES = ['face', 'faces'];
/** Tasks of which a second set of models is small, or mapped from the same file. */
const LIGHT_NAMES = ['clip', 'text', ...FACE_NAMES];
/** Photos of a batch, of all threads together where there are two. */
const PHOTOS = 8;
/** Of a thread: with one it would wait for each photo's decoder. */
export const LEAST_DECODINGS = 2;
const MOST_DECODINGS = 4;
/** A photo of 12 megapixels in full is 36 MB: one of those a core, or many that were shrunk. */
const DECODED_BYTES_PER_CORE = 64 * 1024 ** 2;

/**
 * The layout for what was asked.
 *
 * One thread has all cores, and decoders work beside its runs. Where those are short against the rest of a photo's work, with faces
 * or in `q8`, two threads share the cores of a processor: a run blocks its thread, and meanwhile the other one prepares. Both map
 * the weights from one file (`prepareModels`). A CLIP model in fp32 keeps the cores busy by itself; captions and texts in pictures
 * take hundreds of megabytes more in a second thread for a tenth more photos; another device never blocks its thread
 * (`SessionThread`).
 */
export function layOutThreads(asked: AskedLayout, cores: number): ThreadLayout {
  const isOpen = asked.threads === undefined && asked.intraOpThreads === 0;
  const isShared = isOpen && cores >= THREADS_TO_SHARE && gainsFromSharing(asked) && !mayLeaveProcessor(asked.device);
  const threads = asked.threads ?? (isShared ? THREADS_TO_SHARE : 1);
  const intraOpThreads = asked.intraOpThreads || Math.max(1, Math.floor(cores / threads));
  return {
    threads,
    intraOpThreads,
    maxBatch: asked.maxBatch ?? (threads === 1 ? PHOTOS : PHOTOS / THREADS_TO_SHARE),
    decodeConcurrency: asked.decodeConcurrency || decodingsOf(threads, intraOpThreads),
    maxDecodedBytes: asked.maxDecodedBytes ?? threads * intraOpThreads * DECODED_BYTES_PER_CORE,
  };
}

function gainsFromSharing({ tasks, dtype }: AskedLayout): boolean {
  const names = taskNames(tasks);
  const isShort = dtype === 'q8' || names.some((name) => FACE_NAMES.includes(name));
  return isShort && names.every((name) => LIGHT_NAMES.includes(name));
}

/** A run blocks its thread, so one that is alone has a decoding in reserve for what a run leaves of the cores. */
function decodingsOf(threads: number, intraOpThreads: number): number {
  return clamp(threads === 1 ? intraOpThreads + 1 : intraOpThreads, LEAST_DECODINGS, MOST_DECODINGS);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
