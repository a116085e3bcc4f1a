import { LEAST_DECODINGS } from '../../thread-layout.js';
import type { Tuning } from '../../tuning.js';

const BATCHES = [1, 2, 4, 8, 16, 32, 64];
const DECODINGS = [1, 2, 3, 4, 6, 8];
const THREADS = [1, 2, 3, 4, 6, 8, 12, 16];

/**
 * The tunings one step away: one of threads, batch and decodings is the next larger or smaller, but for those that are fixed.
 * Threads come first, since they change most, and decodings that are right for one thread may starve two: other threads come
 * with two decodings, too.
 */
export function neighbourTunings(tuning: Tuning, cores: number, fixed: ReadonlySet<keyof Tuning>): readonly Tuning[] {
  const { maxBatch, threads, decodeConcurrency } = tuning;
  const layouts = fixed.has('threads') || fixed.has('intraOpThreads') ? [] : steps(THREADS, threads);
  const others = fixed.has('decodeConcurrency') || decodeConcurrency === LEAST_DECODINGS ? [] : [LEAST_DECODINGS];
  return [
    ...layouts
      .filter((value) => value <= cores)
      .flatMap((value) =>
        [decodeConcurrency, ...others].map((each) => ({
          ...{ maxBatch, threads: value, intraOpThreads: Math.max(1, Math.floor(cores / value)) },
          decodeConcurrency: each,
        })),
      ),
    ...(fixed.has('maxBatch') ? [] : steps(BATCHES, maxBatch)).map((value) => ({ ...tuning, maxBatch: value })),
    ...(fixed.has('decodeConcurrency') ? [] : steps(DECODINGS, decodeConcurrency)).map((value) => ({
      ...tuning,
      decodeConcurrency: value,
    })),
  ];
}

/** The next larger one, then the next smaller. */
function steps(values: readonly number[], value: number): readonly number[] {
  const larger = values.find((one) => one > value);
  const smaller = values.findLast((one) => one < value);
  return [larger, smaller].filter((one) => one !== undefined);
}

/** `batch 16, 1 thread x 2 cores, 2 decodings`. */
export function tuningText({ maxBatch, threads, intraOpThreads, decodeConcurrency }: Tuning): string {
  return `batch ${maxBatch}, ${plural(threads, 'thread')} x ${plural(intraOpThreads, 'core')}, ${plural(decodeConcurrency, 'decoding')}`;
}

/** What a step changes: `batch 8 instead of 16`. */
export function changeText(from: Tuning, to: Tuning): string {
  const changes = [
    ...(from.maxBatch === to.maxBatch ? [] : [`batch ${to.maxBatch} instead of ${from.maxBatch}`]),
    ...(from.threads === to.threads
      ? []
      : [
          `${plural(to.threads, 'thread')} of ${plural(to.intraOpThreads, 'core')} instead of ` +
            `${plural(from.threads, 'thread')} of ${plural(from.intraOpThreads, 'core')}`,
        ]),
    ...(from.decodeConcurrency === to.decodeConcurrency
      ? []
      : [`${plural(to.decodeConcurrency, 'decoding')} at a time instead of ${from.decodeConcurrency}`]),
  ];
  return changes.join(', ');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
