import { describe, expect, it } from 'vitest';

import { ReasonCounts } from '../../../src/cli/dlq/reasons.js';
import { isFiltered, readFilter, readLimit, readRate } from '../../../src/cli/dlq/selection.js';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

describe('the flags that select dead letters', () => {
  it('mean all of them where none is given', () => {
    expect(readFilter({}, NOW_MS)).toEqual({});
    expect(isFiltered(readFilter({ json: true, limit: '3' }, NOW_MS))).toBe(false);
  });

  it('become a filter', () => {
    const flags = { id: ' x ', reason: 'decode', photo: '9007199254740993', request: '7', since: '2026-01-01' };
    expect(readFilter(flags, NOW_MS)).toEqual({
      id: 'x',
      reason: 'decode',
      photoId: '9007199254740993',
      requestId: '7',
      since: new Date('2026-01-01T00:00:00Z'),
    });
  });

  it.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('--older-than %s counts back from now', (olderThan, ms) => {
    expect(readFilter({ olderThan }, NOW_MS)).toEqual({ until: new Date(NOW_MS - ms) });
  });

  it.each([
    [{ since: '1' }, '--since'],
    [{ until: '2026-13-01' }, '--until'],
    [{ olderThan: '-1d' }, '--older-than'],
    [{ olderThan: ' ' }, '--older-than must not be empty'],
    [{ until: '2026-01-01', olderThan: '1d' }, 'exclude each other'],
  ])('%j is refused', (flags, message) => {
    expect(() => readFilter(flags, NOW_MS)).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
    expect(() => readFilter(flags, NOW_MS)).toThrow(message);
  });

  it('limits and rates are numbers above zero', () => {
    expect([readLimit({}), readLimit({ limit: '5' }), readRate({}), readRate({ rate: '0.5' })]).toEqual([
      undefined,
      5,
      undefined,
      0.5,
    ]);
    for (const limit of ['0', '-1', '1.5', '1e3', 'x']) expect(() => readLimit({ limit })).toThrow('--limit must be');
    for (const rate of ['0', '-1', '1e9', 'x', '9999999']) expect(() => readRate({ rate })).toThrow('--rate must be');
  });
});

describe('ReasonCounts', () => {
  it('counts every entry, and names a hundred reasons at most', () => {
    const counts = new ReasonCounts();
    for (let entry = 0; entry < 1000; entry += 1) counts.add(`reason-${entry % 500}`);
    expect(counts.total).toBe(1000);
    expect(counts.entries()).toHaveLength(101);
    expect(counts.entries()[0]).toEqual(['(others)', 800]);
    expect(counts.entries().reduce((sum, [, count]) => sum + count, 0)).toBe(1000);
  });

  it('puts the most frequent first', () => {
    const counts = new ReasonCounts();
    for (const reason of ['b', 'a', 'c', 'c', '\u001b']) counts.add(reason);
    expect(counts.lines()).toEqual(['count  reason', '2      c', '1      \\u001b', '1      a', '1      b']);
  });
});
