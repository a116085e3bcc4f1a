import { describe, expect, it } from 'vitest';
import { RunPace } from '../../../src/pool/pace.js';

describe('RunPace', () => {
  it('begins with a few items and never exceeds the batch', () => {
    expect(new RunPace().limit(256)).toBe(8);
    expect(new RunPace().limit(4)).toBe(4);
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
