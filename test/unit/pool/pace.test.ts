import { describe, expect, it } from 'vitest';
import { RunPace } from '../../../src/pool/pace.js';

describe('RunPace', () => {
  it('begins with one item and never exceeds the batch', () => {
    const pace = new RunPace();
    expect(pace.limit(256)).toBe(1);
    pace.record(1, 10);
    expect(pace.limit(256)).toBe(200);
    expect(pace.limit(4)).toBe(4);
  });

  it('soon forgets that the first run had to warm up', () => {
    const pace = new RunPace();
    pace.record(1, 3000);
    pace.record(1, 100);
    pace.record(1, 100);
    pace.record(1, 100);
    expect(pace.limit(8)).toBeGreaterThanOrEqual(2);
    pace.record(2, 200);
    pace.record(2, 200);
    expect(pace.limit(8)).toBeGreaterThanOrEqual(4);
  });

  it('gives a fast model its whole batch', () => {
    const pace = new RunPace();
    pace.record(8, 200);
    expect(pace.limit(64)).toBe(64);
  });

  it('holds a slow model to about two seconds a run, and to one item at least', () => {
    const pace = new RunPace();
    pace.record(8, 4000);
    expect(pace.limit(8)).toBe(4);
    const slower = new RunPace();
    slower.record(1, 9000);
    expect(slower.limit(8)).toBe(1);
  });

  it('follows a model that becomes faster', () => {
    const pace = new RunPace();
    pace.record(8, 8000);
    for (let run = 0; run < 20; run++) pace.record(2, 100);
    expect(pace.limit(16)).toBe(16);
  });
});
