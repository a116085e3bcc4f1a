import { describe, expect, it } from 'vitest';

import type { Clock } from '../../../src/clock.js';
import { Pulse } from '../../../src/queue/pulse.js';

function setUp(): { readonly pulse: Pulse; readonly pass: (seconds: number) => void } {
  let nowMs = 5000;
  const clock: Clock = { now: () => nowMs, after: () => () => undefined };
  return { pulse: new Pulse(clock), pass: (seconds) => void (nowMs += seconds * 1000) };
}

describe('Pulse', () => {
  it('counts what was settled, and rates it from the start', () => {
    const { pulse, pass } = setUp();
    pulse.count('done', 10);
    pulse.count('retried', 2);
    pulse.count('buried', 1);
    expect(pulse.beat().donePerSecond).toBe(0);
    pass(5);
    expect(pulse.beat()).toEqual({ done: 10, retried: 2, buried: 1, donePerSecond: 2 });
  });

  it('forgets what is longer ago than a minute', () => {
    const { pulse, pass } = setUp();
    pulse.count('done', 600);
    for (let beat = 0; beat < 13; beat += 1) {
      pass(5);
      pulse.beat();
    }
    pulse.count('done', 60);
    for (let beat = 0; beat < 12; beat += 1) pass(5);
    expect(pulse.beat().donePerSecond).toBeLessThanOrEqual(1);
    pass(5);
    expect(pulse.beat().donePerSecond).toBeCloseTo(60 / 65);
    for (let beat = 0; beat < 14; beat += 1) {
      pass(5);
      pulse.beat();
    }
    expect(pulse.beat()).toMatchObject({ done: 660, donePerSecond: 0 });
  });
});
