import { check, durationMs, type Check, wholeNumberBetween } from '../check.js';
import type { JobType } from '../job.js';
import { MAX_TEXT_ELEMENT_BYTES } from '../text-job.js';

/** Options that every queue has. */
export interface CommonQueueOptions {
  /**
   * Name of the queue; `text_tasks` where `jobs` is `text`.
   * @default 'photo_tasks'
   */
  readonly name?: string;
  /**
   * Which jobs the elements are: `photo`, `text`, or a job type of one's own.
   * @default 'photo'
   */
  readonly jobs?: string | JobType;
  /**
   * How often a job is tried before it goes to the dead letters, where its error doesn't say less; 1 to 1000.
   * @default 5
   */
  readonly maxAttempts?: number;
  /**
   * The longest wait after the first failure, in milliseconds; doubles with each further one.
   * @default 2000
   */
  readonly backoffBaseMs?: number;
  /**
   * The longest wait after any failure, in milliseconds, where the receiver doesn't ask for more.
   * @default 600000
   */
  readonly backoffMaxMs?: number;
  /**
   * How long `claim()` waits for a first element, in milliseconds.
   * @default 5000
   */
  readonly claimTimeoutMs?: number;
  /**
   * A longer element is kept in the dead letters as it is, without a note inside, in bytes; 8 MiB where `jobs` is `text`.
   * @default 65536
   */
  readonly maxElementBytes?: number;
  /**
   * Random numbers from 0 up to 1; for tests.
   * @default Math.random
   */
  readonly random?: () => number;
}

export const COMMON_DEFAULTS = {
  name: 'photo_tasks',
  jobs: 'photo',
  maxAttempts: 5,
  backoffBaseMs: 2000,
  backoffMaxMs: 600_000,
  claimTimeoutMs: 5000,
  maxElementBytes: 65_536,
  random: Math.random,
} as const satisfies Required<CommonQueueOptions>;

/** What differs for texts: the server's own list, and elements that may be longer. */
const TEXT_DEFAULTS = { name: 'text_tasks', maxElementBytes: MAX_TEXT_ELEMENT_BYTES } as const;

/** The defaults of a kind of queue for the jobs that it is to hold. */
export function defaultsFor<T extends Required<CommonQueueOptions>>(defaults: T, { jobs }: CommonQueueOptions): T {
  return jobs === 'text' ? { ...defaults, ...TEXT_DEFAULTS } : defaults;
}

export const COMMON_CHECKS: {
  readonly [Name in keyof typeof COMMON_DEFAULTS]: Check<Required<CommonQueueOptions>[Name]>;
} = {
  name: check('a text that is not empty', (value): value is string => typeof value === 'string' && value !== ''),
  jobs: check('the name of a job type, or a job type', isJobs),
  maxAttempts: wholeNumberBetween(1, 1000),
  backoffBaseMs: durationMs,
  backoffMaxMs: durationMs,
  claimTimeoutMs: durationMs,
  maxElementBytes: wholeNumberBetween(1, Number.MAX_SAFE_INTEGER),
  random: check('a function', (value): value is () => number => typeof value === 'function'),
};

function isJobs(value: unknown): value is string | JobType {
  if (typeof value === 'string') return value !== '';
  if (typeof value !== 'object' || value === null) return false;
  const { name, parse } = value as Partial<Record<keyof JobType, unknown>>;
  return typeof name === 'string' && typeof parse === 'function';
}
