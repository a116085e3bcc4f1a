import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { backoffMs } from '../../../src/sink/backoff.js';
import { Breaker } from '../../../src/sink/breaker.js';

const OPTIONS = { failureThreshold: 5, authFailLimit: 10, baseMs: 500, capMs: 30_000 };
const outage = new RunnerError('HTTP_UNAVAILABLE', 'down');
const refused = new RunnerError('HTTP_UNAUTHORIZED', 'wrong token');
const limited = (retryAfterMs: number): RunnerError =>
  new RunnerError('HTTP_RATE_LIMITED', 'slow down', { retryAfterMs });
const newest = (): number => 1 - Number.EPSILON;
const breaker = (random = newest): Breaker => new Breaker(OPTIONS, random);

function failTimes(subject: Breaker, times: number, error = outage, nowMs = 0): void {
  for (let i = 0; i < times; i += 1) subject.fail(error, nowMs, false);
}

describe('backoffMs', () => {
  it('doubles from the base to the cap, its upper half random', () => {
    const backoff = { baseMs: 500, capMs: 30_000 };
    expect([1, 2, 3, 7, 8, 5_000].map((failures) => backoffMs(failures, backoff, () => 0))).toEqual([
      250, 500, 1_000, 15_000, 15_000, 15_000,
    ]);
    expect(backoffMs(1, backoff, () => 0.5)).toBe(375);
    expect(backoffMs(3, backoff, newest)).toBeCloseTo(2_000);
  });
});

describe('a closed breaker', () => {
  it('stays closed below the threshold, and opens with the failure that reaches it', () => {
    const subject = breaker();
    failTimes(subject, 4);
    expect(subject.admit(0)).toBe('all');
    expect(subject.fail(outage, 0, false)).toEqual({ isOpened: true, isPaused: false, isAuthExhausted: false });
    expect(subject.isOpen).toBe(true);
  });

  it('counts failures in a row only', () => {
    const subject = breaker();
    failTimes(subject, 4);
    subject.succeed(0);
    failTimes(subject, 4);
    expect(subject.isOpen).toBe(false);
    expect(subject.consecutiveFailures).toBe(4);
  });

  it('opens at the first answer that refuses the token', () => {
    expect(breaker().fail(refused, 0, false).isOpened).toBe(true);
  });
});

describe('an open breaker', () => {
  it('admits one probe after the back-off, and none before', () => {
    const subject = breaker();
    failTimes(subject, 5);
    expect(subject.admit(499)).toBe('none');
    expect(subject.admit(500)).toBe('one');
    expect(subject.wakeAtMs).toBeCloseTo(500);
  });

  it('waits longer after each failed probe, up to the cap', () => {
    const subject = breaker();
    failTimes(subject, 5);
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const nowMs = subject.wakeAtMs;
      subject.fail(outage, nowMs, true);
      waits.push(Math.round(subject.wakeAtMs - nowMs));
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('does not wait longer for tries that were under way when it opened', () => {
    const subject = breaker();
    failTimes(subject, 8);
    expect(subject.wakeAtMs).toBeCloseTo(500);
  });

  it('closes with a success, answers how long it was open, and starts afresh', () => {
    const subject = breaker();
    failTimes(subject, 5, outage, 1_000);
    subject.fail(outage, 1_500, true);
    expect(subject.succeed(4_000)).toBe(3_000);
    expect(subject.admit(4_000)).toBe('all');
    expect(subject.succeed(4_000)).toBeUndefined();
    failTimes(subject, 5, outage, 5_000);
    expect(subject.wakeAtMs).toBeCloseTo(5_500);
  });
});

describe('authFailLimit', () => {
  it('is told once, with the answer that reaches it, and again only after a success', () => {
    const subject = breaker();
    const told = Array.from({ length: 25 }, () => subject.fail(refused, 0, false).isAuthExhausted);
    expect(told.flatMap((isTold, index) => (isTold ? [index + 1] : []))).toEqual([10]);
    subject.succeed(0);
    expect(
      Array.from({ length: 10 }, () => subject.fail(refused, 0, false).isAuthExhausted).filter(Boolean),
    ).toHaveLength(1);
  });

  it('does not count outages in between, nor start anew with them', () => {
    const subject = breaker();
    failTimes(subject, 9, refused);
    failTimes(subject, 20, outage);
    expect(subject.fail(refused, 0, false).isAuthExhausted).toBe(true);
  });

  it('of 0 is never told', () => {
    const subject = new Breaker({ ...OPTIONS, authFailLimit: 0 }, newest);
    expect(Array.from({ length: 50 }, () => subject.fail(refused, 0, false).isAuthExhausted)).not.toContain(true);
  });
});

describe('Retry-After', () => {
  it('pauses a closed breaker, told once per pause', () => {
    const subject = breaker();
    expect(subject.fail(limited(7_000), 0, false).isPaused).toBe(true);
    expect(subject.fail(limited(7_000), 10, false).isPaused).toBe(false);
    expect(subject.admit(7_009)).toBe('none');
    expect(subject.admit(7_010)).toBe('all');
  });

  it('outlasts a success that was under way, and a shorter one', () => {
    const subject = breaker();
    subject.fail(limited(7_000), 0, false);
    subject.fail(limited(1_000), 0, false);
    subject.succeed(1);
    expect(subject.admit(6_999)).toBe('none');
  });

  it('holds back the probe of an open one', () => {
    const subject = breaker();
    failTimes(subject, 4);
    subject.fail(limited(60_000), 0, false);
    expect(subject.isOpen).toBe(true);
    expect(subject.admit(59_999)).toBe('none');
    expect(subject.admit(60_000)).toBe('one');
  });
});

it('is open exactly after a refused token or enough failures since the last success, whatever happens', () => {
  const step = fc.oneof(
    fc.constant('ok' as const),
    fc.constant(outage),
    fc.constant(refused),
    fc.integer({ min: 1_000, max: 60_000 }).map(limited),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(step, fc.nat(40_000), fc.boolean()), { maxLength: 60 }),
      fc.integer(),
      (steps, seed) => {
        let state = seed >>> 0;
        const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
        const subject = new Breaker(OPTIONS, random);
        let nowMs = 0;
        let failures = 0;
        let isRefused = false;
        for (const [what, passedMs, isProbe] of steps) {
          nowMs += passedMs;
          if (what === 'ok') {
            subject.succeed(nowMs);
            failures = 0;
            isRefused = false;
          } else {
            subject.fail(what, nowMs, isProbe);
            failures += 1;
            isRefused ||= what === refused;
          }
          expect(subject.isOpen).toBe(isRefused || failures >= OPTIONS.failureThreshold);
          // It never admits all while open, and always something within the cap, or the longest pause.
          expect(subject.admit(nowMs)).not.toBe(subject.isOpen ? 'all' : 'one');
          expect(subject.wakeAtMs - nowMs).toBeLessThanOrEqual(60_000);
          expect(subject.admit(nowMs + 60_000)).toBe(subject.isOpen ? 'one' : 'all');
        }
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});
