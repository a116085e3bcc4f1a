import { describe, expect, it } from 'vitest';
import { whyRecycle, type ChildLimits, type ChildState } from '../../../src/pool/recycling.js';

const young: ChildState = { rssBytes: 500, loadedRssBytes: 400, jobs: 10, ageMs: 1000 };
const none: ChildLimits = { maxMemoryBytes: 0, maxJobs: 0, maxAgeMs: 0 };

describe('whyRecycle', () => {
  it('keeps a child for ever where no limit is set', () => {
    expect(whyRecycle({ rssBytes: 1e12, loadedRssBytes: 1, jobs: 1e9, ageMs: 1e12 }, none)).toBeUndefined();
  });

  it.each([
    ['memory', { maxMemoryBytes: 501 }, { rssBytes: 502 }],
    ['jobs', { maxJobs: 11 }, { jobs: 11 }],
    ['age', { maxAgeMs: 1001 }, { ageMs: 1001 }],
  ] as const)('replaces it for its %s, and no sooner', (reason, limit, grown) => {
    expect(whyRecycle(young, { ...none, ...limit })).toBeUndefined();
    expect(whyRecycle({ ...young, ...grown }, { ...none, ...limit })).toBe(reason);
  });

  it('does not replace a child for memory that its models take, as the next one would be no smaller', () => {
    const limits = { ...none, maxMemoryBytes: 100 };
    expect(whyRecycle({ ...young, rssBytes: 500 }, limits)).toBeUndefined();
    expect(whyRecycle({ ...young, rssBytes: 501 }, limits)).toBe('memory');
  });
});
