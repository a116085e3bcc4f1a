import { check, resolveOptions } from '../check.js';
import type { DeadLetterTakeOptions } from './dead-letter-take.js';

const DEFAULTS = {
  limit: Infinity,
  perSecond: Infinity,
  signal: new AbortController().signal,
  onProgress: () => undefined,
} satisfies DeadLetterTakeOptions;

const positive = check('a number above 0', (value): value is number => typeof value === 'number' && value > 0);

const CHECKS = {
  limit: positive,
  perSecond: positive,
  signal: check('an AbortSignal', (value): value is AbortSignal => value instanceof AbortSignal),
  onProgress: check(
    'a function',
    (value): value is Required<DeadLetterTakeOptions>['onProgress'] => typeof value === 'function',
  ),
};

/**
 * The options of `redrive()` and `purge()` with their defaults.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function resolveTakeOptions(
  kind: 'redrive' | 'purge',
  options: DeadLetterTakeOptions,
): Required<DeadLetterTakeOptions> {
  return resolveOptions<Required<DeadLetterTakeOptions>>(kind, options, DEFAULTS, CHECKS);
}
