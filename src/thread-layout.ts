import { mayLeaveProcessor } from './pool/devices.js';
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
export type AskedLayout = Pick<TunableOptions, keyof ThreadLayout | 'device'> & {
  readonly tasks: readonly (string | Task)[];
};

const THREADS_ON_PROCESSOR = 2;
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
 * On the processor two threads share the cores: a model that runs blocks its thread, and meanwhile the other one prepares. A
 * single thread on all cores leaves them idle for a part of each run, because each of a model's steps waits for the core that a
 * decoder has taken. Both map the weights from one file (`prepareModels`).
 *
 * Another device has one thread, which never waits for its runs (`SessionThread`). So have captions: their runs take so much longer
 * than the rest that there is little to win, and a second set of their models is large.
 */
export function layOutThreads(asked: AskedLayout, cores: number): ThreadLayout {
  const hasCaptions = asked.tasks.some((task) => (typeof task === 'string' ? task : task.name) === 'caption');
  const isOpen = asked.threads === undefined && asked.intraOpThreads === 0;
  const isShared = isOpen && !hasCaptions && cores >= THREADS_ON_PROCESSOR && !mayLeaveProcessor(asked.device);
  const threads = asked.threads ?? (isShared ? THREADS_ON_PROCESSOR : 1);
  const intraOpThreads = asked.intraOpThreads || Math.max(1, Math.floor(cores / threads));
  return {
    threads,
    intraOpThreads,
    maxBatch: asked.maxBatch ?? (threads === 1 ? PHOTOS : PHOTOS / THREADS_ON_PROCESSOR),
    decodeConcurrency: asked.decodeConcurrency || clamp(intraOpThreads, LEAST_DECODINGS, MOST_DECODINGS),
    maxDecodedBytes: asked.maxDecodedBytes ?? threads * intraOpThreads * DECODED_BYTES_PER_CORE,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
