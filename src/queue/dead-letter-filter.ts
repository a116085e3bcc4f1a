import { check, resolveOptions, someText, type Check } from '../check.js';
import type { DeadLetterEntry } from './dead-letter-entry.js';

/** Which dead letters are meant: those that match everything that is given; all of them where nothing is. */
export interface DeadLetterFilter {
  /** The id of the note, or the SHA-1 of an entry without a note. */
  readonly id?: string;
  /** `decode`, `exhausted`, …; `unknown` for entries without a note. */
  readonly reason?: string;
  /** The job's `photo_id`, as text. */
  readonly photoId?: string;
  /** The job's `request_id`, as text. */
  readonly requestId?: string;
  /** Died at this time or later. Entries without a note have no time, and match neither this nor `until`. */
  readonly since?: Date;
  /** Died before this time. */
  readonly until?: Date;
}

const date = check('a valid Date', (value): value is Date => value instanceof Date && !Number.isNaN(value.getTime()));

const CHECKS = {
  id: optional(someText),
  reason: optional(someText),
  photoId: optional(someText),
  requestId: optional(someText),
  since: optional(date),
  until: optional(date),
} satisfies { readonly [Name in keyof Required<DeadLetterFilter>]: Check<DeadLetterFilter[Name]> };

const NOTHING = {
  id: undefined,
  reason: undefined,
  photoId: undefined,
  requestId: undefined,
  since: undefined,
  until: undefined,
};

/**
 * A question to ask of each entry.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function compileFilter(filter: DeadLetterFilter): (entry: DeadLetterEntry) => boolean {
  const wanted = resolveOptions<{ readonly [Name in keyof Required<DeadLetterFilter>]: DeadLetterFilter[Name] }>(
    'deadLetters',
    filter,
    NOTHING,
    CHECKS,
  );
  const { since, until } = wanted;
  return (entry) =>
    (['id', 'reason', 'photoId', 'requestId'] as const).every(
      (name) => wanted[name] === undefined || wanted[name] === entry[name],
    ) &&
    (since === undefined || (entry.failedAt !== undefined && entry.failedAt >= since)) &&
    (until === undefined || (entry.failedAt !== undefined && entry.failedAt < until));
}

function optional<T>({ expected, accepts }: Check<T>): Check<T | undefined> {
  return check(expected, (value): value is T | undefined => value === undefined || accepts(value));
}
