import { show } from '../../check.js';
import type { DeadLetterFilter } from '../../queue/dead-letters.js';
import { invalid } from '../gallery-access.js';

type Flags = Readonly<Record<string, unknown>>;

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * The filter that flags describe. `nowMs` is what `--older-than` counts from.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function readFilter(flags: Flags, nowMs: number): DeadLetterFilter {
  const until = readTime(flags, 'until');
  const age = textFlag(flags, 'olderThan');
  if (until !== undefined && age !== undefined) throw invalid('--until and --older-than exclude each other.');
  const [id, reason, photoId, requestId] = ['id', 'reason', 'photo', 'request'].map((name) => textFlag(flags, name));
  const since = readTime(flags, 'since');
  return {
    ...(id !== undefined && { id }),
    ...(reason !== undefined && { reason }),
    ...(photoId !== undefined && { photoId }),
    ...(requestId !== undefined && { requestId }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(age !== undefined && { until: new Date(nowMs - readDurationMs('older-than', age)) }),
  };
}

/** Whether anything is left out. */
export function isFiltered(filter: DeadLetterFilter): boolean {
  return Object.keys(filter).length > 0;
}

/** `--limit`; undefined where it is not given. @throws RunnerError `OPTIONS_INVALID` */
export function readLimit(flags: Flags): number | undefined {
  const value = textFlag(flags, 'limit');
  if (value === undefined) return undefined;
  const limit = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(limit) && limit >= 1) return limit;
  throw invalid(`--limit must be a whole number of at least 1, but got ${show(value)}.`);
}

/** `--rate`, of a second; undefined where it is not given. @throws RunnerError `OPTIONS_INVALID` */
export function readRate(flags: Flags): number | undefined {
  const value = textFlag(flags, 'rate');
  if (value === undefined) return undefined;
  const rate = Number(value);
  // Slower than one in ten minutes is a mistake rather than a wish.
  if (/^[\d.]+$/.test(value) && rate >= 0.001 && rate <= 1_000_000) return rate;
  throw invalid(`--rate must be a number from 0.001 to 1000000 (dead letters a second), but got ${show(value)}.`);
}

function readTime(flags: Flags, name: string): Date | undefined {
  const value = textFlag(flags, name);
  if (value === undefined) return undefined;
  const time = new Date(value);
  // `Date` takes much that nobody means; a date alone is midnight in UTC, a time without a zone that of this machine.
  if (/^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(time.getTime())) return time;
  throw invalid(`--${name} must be a time like 2026-01-31 or 2026-01-31T12:00:00Z, but got ${show(value)}.`);
}

function readDurationMs(name: string, value: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
  if (unit !== '') return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
  throw invalid(`--${name} must be a duration like 90s, 30m, 12h or 7d, but got ${show(value)}.`);
}

function textFlag(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  if (typeof value !== 'string') return undefined;
  if (value.trim() !== '') return value.trim();
  throw invalid(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} must not be empty.`);
}
