import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { createCourier, type CourierEvent } from '../../../src/sink/courier.js';
import type { Sink } from '../../../src/sink/sink.js';
import { photoDelivery } from '../../support/deliveries.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const CONCURRENCY = 4;

/** How one try ends, and after how long. */
type Answer = { readonly afterMs: number; readonly error?: RunnerError };

const waits = [
  new RunnerError('HTTP_UNAVAILABLE', 'down'),
  new RunnerError('HTTP_TIMEOUT', 'slow'),
  new RunnerError('HTTP_UNAUTHORIZED', 'wrong token'),
  new RunnerError('HTTP_RATE_LIMITED', 'slow down', { retryAfterMs: 4_000 }),
];
const verdicts = [new RunnerError('HTTP_GONE', 'gone'), new RunnerError('HTTP_SERVER_ERROR', 'HTTP 500')];

const afterMs = fc.nat(20_000);
const ok = fc.record({ afterMs });
const wait = fc.record({ afterMs, error: fc.constantFrom(...waits) });
const verdict = fc.record({ afterMs, error: fc.constantFrom(...verdicts) });
const weather = fc.array(
  fc.oneof({ arbitrary: wait, weight: 5 }, { arbitrary: ok, weight: 3 }, { arbitrary: verdict, weight: 1 }),
  {
    maxLength: 60,
  },
);
/** When deliveries are sent, and when their senders give up, if ever. */
const sends = fc.array(
  fc.record({ atMs: fc.nat(60_000), abortAfterMs: fc.option(fc.nat(120_000), { freq: 6, nil: undefined }) }),
  {
    minLength: 1,
    maxLength: 25,
  },
);

it('keeps its promises in any weather: one probe, no lost delivery, no attempt spent on an outage', async () => {
  await fc.assert(
    fc.asyncProperty(weather, sends, fc.integer(), async (answers, senders, seed) => {
      const clock = new VirtualClock();
      const events: CourierEvent[] = [];
      const rejected: RunnerError[] = [];
      let inFlight = 0;
      let settled = 0;
      let tries = 0;
      let pausedUntilMs = 0;
      let state = seed >>> 0;
      const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;

      const sink: Sink = {
        name: 'weather',
        async deliver() {
          // The answers first, then fair weather for good.
          const { afterMs: ms, error }: Answer = answers[tries++] ?? { afterMs: 5 };
          expect(clock.now()).toBeGreaterThanOrEqual(pausedUntilMs);
          if (courier.isOpen) expect(inFlight).toBe(0);
          expect((inFlight += 1)).toBeLessThanOrEqual(CONCURRENCY);
          await new Promise<void>((resolve) => clock.after(ms, resolve));
          inFlight -= 1;
          if (error === undefined) return;
          throw error;
        },
      };
      const courier = createCourier({
        sink,
        clock,
        random,
        options: { concurrency: CONCURRENCY },
        onEvent(event) {
          events.push(event);
          if (event.type === 'courier:paused') pausedUntilMs = clock.now() + event.pauseMs;
        },
      });

      const sent = senders.map(async ({ atMs, abortAfterMs }, id) => {
        const stop = new AbortController();
        await new Promise<void>((resolve) => clock.after(atMs, resolve));
        if (abortAfterMs !== undefined) clock.after(abortAfterMs, () => stop.abort());
        await courier
          .send(photoDelivery(id), stop.signal)
          .catch((error: unknown) => rejected.push(error as RunnerError))
          .finally(() => (settled += 1));
      });
      // Liveness: a bounded number of timers later everything is settled, and no timer is left.
      let steps = 0;
      while ((await clock.step()) && steps < 5_000) steps += 1;
      await Promise.all(sent);

      expect(settled).toBe(senders.length);
      expect(clock.pending).toBe(0);
      expect(courier.stats()).toMatchObject({
        held: 0,
        inFlight: 0,
        consecutiveFailures: expect.any(Number) as number,
      });
      for (const error of rejected) {
        const isBlamed = error.code === 'HTTP_SERVER_ERROR' && error.cause !== undefined;
        if (isBlamed) expect(courier.stats().delivered).toBeGreaterThanOrEqual(3);
        else expect([...verdicts.map(({ code }) => code), 'RUNNER_STOPPED']).toContain(error.code);
      }
      const turns = events.map(({ type }) => type).filter((type) => type.startsWith('breaker:'));
      expect(turns).toEqual(turns.map((_type, index) => (index % 2 === 0 ? 'breaker:open' : 'breaker:closed')));
    }),
    { seed: 11, numRuns: 200 },
  );
});
