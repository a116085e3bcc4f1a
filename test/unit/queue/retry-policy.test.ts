import { describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import { attemptLimit, backoffMs, retryDelayMs, spentReason } from '../../../src/queue/retry-policy.js';

const options = { backoffBaseMs: 2000, backoffMaxMs: 600_000 };
const lowest = (): number => 0;
const highest = (): number => 0.999_999_999;

describe('backoffMs', () => {
  it('doubles from the base up to the cap', () => {
    expect([1, 2, 3, 4, 12].map((attempt) => backoffMs(attempt, options, highest))).toEqual([
      2000, 4000, 8000, 16_000, 600_000,
    ]);
  });

  it('never falls below one half of that', () => {
    expect([1, 2, 12].map((attempt) => backoffMs(attempt, options, lowest))).toEqual([1000, 2000, 300_000]);
  });

  it('stays at the cap after any number of failures', () => {
    expect(backoffMs(5000, options, highest)).toBe(600_000);
  });
});

describe('retryDelayMs', () => {
  it('is raised by the wish of the receiver, but not lowered', () => {
    expect(retryDelayMs(1, options, highest, 30_000)).toBe(30_000);
    expect(retryDelayMs(1, options, highest, 10)).toBe(2000);
    expect(retryDelayMs(1, options, highest, undefined)).toBe(2000);
  });

  it('grants a wish of one hour at most', () => {
    expect(retryDelayMs(1, options, highest, 1e9)).toBe(3_600_000);
  });
});

describe('the limit of attempts', () => {
  it('is lowered, never raised, by the error', () => {
    expect(attemptLimit(new RunnerError('FILE_NOT_FOUND', ''), 5)).toBe(2);
    expect(attemptLimit(new RunnerError('FILE_NOT_FOUND', ''), 1)).toBe(1);
    expect(attemptLimit(new RunnerError('RUN_FAILED', ''), 5)).toBe(5);
  });

  it('ends in the reason of the error where the error set it', () => {
    expect(spentReason(new RunnerError('FILE_NOT_FOUND', ''))).toBe('not_found');
    expect(spentReason(new RunnerError('RUN_FAILED', ''))).toBe('exhausted');
  });
});
