import { getEventListeners } from 'node:events';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import type { Delivery } from '../../../src/job.js';
import { createCourier, type Courier, type CourierEvent, type CourierOptions } from '../../../src/sink/courier.js';
import { memorySink, type MemorySink } from '../../../src/sink/memory.js';
import { photoDelivery } from '../../support/deliveries.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const outage = new RunnerError('HTTP_UNAVAILABLE', 'down', { reason: 'http_503' });
const timeout = new RunnerError('HTTP_TIMEOUT', 'slow');
const refused = new RunnerError('HTTP_UNAUTHORIZED', 'wrong token');
const gone = new RunnerError('HTTP_GONE', 'gone');
const serverError = new RunnerError('HTTP_SERVER_ERROR', 'HTTP 500');
const limited = (retryAfterMs: number): RunnerError =>
  new RunnerError('HTTP_RATE_LIMITED', 'slow down', { retryAfterMs });
const never = new AbortController().signal;

interface Bench {
  readonly clock: VirtualClock;
  readonly sink: MemorySink;
  readonly courier: Courier;
  readonly events: CourierEvent[];
  /** Job ids in the order in which the sink was asked, and when. */
  readonly tries: { readonly jobId: string; readonly atMs: number }[];
  readonly types: () => string[];
}

type Respond = (delivery: Delivery, tries: number, signal: AbortSignal) => RunnerError | undefined | Promise<unknown>;

/** A courier with a sink whose answers are given, on a clock that stands still, without jitter. */
function bench(respond: Respond = () => undefined, options: Partial<CourierOptions> = {}): Bench {
  const clock = new VirtualClock();
  const events: CourierEvent[] = [];
  const tries: Bench['tries'] = [];
  const sink = memorySink({
    async respond(delivery, signal) {
      tries.push({ jobId: delivery.jobId, atMs: clock.now() });
      const answer = respond(delivery, tries.filter(({ jobId }) => jobId === delivery.jobId).length, signal);
      if (answer instanceof RunnerError) throw answer;
      await answer;
    },
  });
  const courier = createCourier({
    sink,
    clock,
    random: () => 1 - Number.EPSILON,
    options,
    onEvent: (event) => events.push(event),
  });
  return { clock, sink, courier, events, tries, types: () => events.map(({ type }) => type) };
}

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { state: 'pending' | 'resolved' | RunnerError; value?: unknown } {
  const watched: ReturnType<typeof watch> = { state: 'pending' };
  promise.then(
    (value) => Object.assign(watched, { state: 'resolved', value }),
    (error: unknown) => (watched.state = error as RunnerError),
  );
  return watched;
}

const sendAll = (courier: Courier, ids: readonly number[]): ReturnType<typeof watch>[] =>
  ids.map((id) => watch(courier.send(photoDelivery(id), never)));
const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('send', () => {
  it('resolves when the sink has taken the delivery', async () => {
    const { courier, sink } = bench();
    await courier.send(photoDelivery(1), never);
    expect(sink.deliveries).toEqual([photoDelivery(1)]);
    expect(courier.stats()).toEqual({
      delivered: 1,
      failed: 0,
      held: 0,
      inFlight: 0,
      breaker: 'closed',
      consecutiveFailures: 0,
      lastError: undefined,
    });
  });

  it.each([gone, serverError])('rejects at once with an error of class $retry, and tries once', async (error) => {
    const { courier, tries } = bench(() => error);
    await expect(courier.send(photoDelivery(1), never)).rejects.toBe(error);
    expect(tries).toHaveLength(1);
    expect(courier.stats()).toMatchObject({ failed: 1, lastError: error.code });
  });

  it('takes what a sink of one’s own throws for an outage: a failed fetch, a full disk', async () => {
    const { clock, courier, events } = bench((_delivery, count) =>
      count === 1 ? Promise.reject(new TypeError('fetch failed')) : undefined,
    );
    const sent = watch(courier.send(photoDelivery(1), never));
    await clock.advance(1_000);
    expect(sent.state).toBe('resolved');
    expect(events).toMatchObject([{ type: 'delivery:held', error: { code: 'HTTP_UNAVAILABLE' } }]);
  });

  it('takes a sink that was closed from elsewhere for one that is down', async () => {
    const closed = new RunnerError('RUNNER_STOPPED', 'the sink is closed');
    const { clock, courier, events } = bench(() => Promise.reject(closed));
    const sent = watch(courier.send(photoDelivery(1), never));
    await clock.advance(1_000);
    expect(sent.state).toBe('pending');
    expect(events[0]).toMatchObject({ type: 'delivery:held', error: { code: 'HTTP_UNAVAILABLE' } });
    await courier.close();
  });

  it('holds a delivery through an outage and tries again with a growing back-off', async () => {
    const { clock, courier, tries, events } = bench((_delivery, count) => (count <= 3 ? outage : undefined));
    const sent = watch(courier.send(photoDelivery(1), never));
    await clock.advance(10_000);
    expect(sent.state).toBe('resolved');
    expect(tries.map(({ atMs }) => Math.round(atMs))).toEqual([0, 500, 1_500, 3_500]);
    expect(events).toMatchObject(
      [1, 2, 3].map((count) => ({ type: 'delivery:held', jobId: '1', unit: 'clip/clip-test', tries: count })),
    );
  });

  it('gives the sink no more than `concurrency` at a time', async () => {
    let now = 0;
    let most = 0;
    const { courier } = bench(
      async () => {
        most = Math.max(most, (now += 1));
        await turnOfTheLoop();
        now -= 1;
      },
      { concurrency: 3 },
    );
    await Promise.all(times(20).map((id) => courier.send(photoDelivery(id), never)));
    expect(most).toBe(3);
  });

  it('sets no timer and keeps nothing once all is delivered', async () => {
    const { clock, courier } = bench((_delivery, count) => (count === 1 ? outage : undefined));
    const sent = sendAll(courier, [1, 2, 3]);
    await clock.advance(60_000);
    expect(sent.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);
    expect(clock.pending).toBe(0);
  });
});

describe('the breaker', () => {
  it('opens after failureThreshold failures in a row and says why', async () => {
    const { clock, courier, events } = bench(() => outage);
    sendAll(courier, times(5));
    await clock.advance(0);
    expect(courier.isOpen).toBe(true);
    expect(events.filter(({ type }) => type === 'breaker:open')).toEqual([
      { type: 'breaker:open', reason: 'http_503', error: outage },
    ]);
    expect(courier.stats()).toMatchObject({
      breaker: 'open',
      consecutiveFailures: 5,
      held: 5,
      lastError: 'HTTP_UNAVAILABLE',
    });
  });

  it('while open tries one delivery at a time, each in its turn', async () => {
    const { clock, courier, tries } = bench(() => outage);
    sendAll(courier, times(5));
    await clock.advance(7_600);
    expect(tries.slice(5).map(({ jobId, atMs }) => [jobId, Math.round(atMs)])).toEqual([
      ['1', 500],
      ['2', 1_500],
      ['3', 3_500],
      ['4', 7_500],
    ]);
  });

  it('lets everything go on after the first success, without waiting for each back-off', async () => {
    const failures: Record<string, number> = { 1: 5, 2: 1 };
    const { clock, courier, tries } = bench(({ jobId }, count) => (count <= failures[jobId]! ? outage : undefined));
    sendAll(courier, [1]);
    await clock.advance(3_501);
    sendAll(courier, [2]);
    await clock.advance(2_000);
    // The fifth failure in a row opens it at 3501; of the two probes the second succeeds, and the first need not wait 8 s.
    expect(tries.slice(4).map(({ jobId, atMs }) => [jobId, Math.round(atMs)])).toEqual([
      ['2', 3_501],
      ['1', 4_001],
      ['2', 5_001],
      ['1', 5_001],
    ]);
  });

  it('delivers everything that an outage has held', async () => {
    let isUp = false;
    const { clock, courier, sink, events } = bench(() => (isUp ? undefined : outage));
    const sent = sendAll(courier, times(20));
    await clock.advance(600_000);
    isUp = true;
    while (courier.isOpen) await clock.step();
    await clock.advance(0);
    expect(sent.every(({ state }) => state === 'resolved')).toBe(true);
    expect(sink.deliveries).toHaveLength(20);
    expect(events.at(-1)).toMatchObject({ type: 'breaker:closed', held: 19 });
    expect(courier.isOpen).toBe(false);
  });

  it('spends no attempt and rejects nothing, however long the outage', async () => {
    const { clock, courier } = bench((_delivery, count) => (count % 2 === 0 ? outage : timeout));
    const sent = sendAll(courier, times(10));
    await clock.advance(7 * 24 * 3_600_000);
    expect(new Set(sent.map(({ state }) => state))).toEqual(new Set(['pending']));
    expect(courier.stats().held + courier.stats().inFlight).toBe(10);
  });

  it('closes with a verdict on a delivery too, since the server is there', async () => {
    let answer = outage;
    const { clock, courier, types } = bench(() => answer);
    sendAll(courier, times(5));
    await clock.advance(0);
    answer = gone;
    await clock.advance(1_000);
    expect(courier.isOpen).toBe(false);
    expect(types()).toContain('breaker:closed');
  });

  it('survives listeners that throw', async () => {
    const sink = memorySink({ respond: () => Promise.reject(gone) });
    const courier = createCourier({
      sink,
      onEvent() {
        throw new Error('a bad listener');
      },
      options: { failureThreshold: 1 },
    });
    await expect(courier.send(photoDelivery(1), never)).rejects.toBe(gone);
  });
});

describe('a delivery that the server cannot digest', () => {
  it('is rejected for the job’s next attempt once others have got through meanwhile', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? timeout : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    await clock.advance(0);
    sendAll(courier, [2, 3, 4]);
    await clock.advance(7_400);
    expect(bad.state).toBe('pending');
    await clock.advance(200);
    expect(bad.state).toMatchObject({
      code: 'HTTP_SERVER_ERROR',
      retry: 'later',
      reason: 'http_timeout',
      cause: timeout,
    });
  });

  it('carries its kind of outage as the reason', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? outage : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    await clock.advance(0);
    sendAll(courier, [2, 3, 4]);
    await clock.advance(10_000);
    expect(bad.state).toMatchObject({ code: 'HTTP_SERVER_ERROR', reason: 'http_unavailable' });
  });

  it('is held as long as fewer than three others got through', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? timeout : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    await clock.advance(0);
    sendAll(courier, [2, 3]);
    await clock.advance(600_000);
    expect(bad.state).toBe('pending');
  });

  it('is not blamed for rate limits and refused tokens', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? limited(1_000) : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    sendAll(courier, times(20).slice(1));
    await clock.advance(600_000);
    expect(bad.state).toBe('pending');
  });

  it('cannot stop the others as the only probe of an open breaker', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? timeout : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    await clock.advance(120_000);
    expect(courier.isOpen).toBe(true);
    const others = sendAll(courier, [2, 3, 4]);
    await clock.advance(120_000);
    expect(others.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);
    expect(bad.state).toMatchObject({ code: 'HTTP_SERVER_ERROR' });
    expect(courier.isOpen).toBe(false);
  });

  it('gets witnesses claimed when it is alone, so that it cannot stop claiming for ever', async () => {
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? timeout : undefined));
    const bad = watch(courier.send(photoDelivery(1), never));
    await clock.advance(10_000);
    let claimed = 1;
    const claimLoop = async (): Promise<void> => {
      while (claimed < 8) {
        await courier.whenClosed(never);
        claimed += 1;
        await courier.send(photoDelivery(claimed), never);
      }
    };
    const loop = watch(claimLoop());
    await clock.advance(300_000);
    expect(loop.state).toBe('resolved');
    expect(bad.state).toMatchObject({ code: 'HTTP_SERVER_ERROR' });
  });
});

describe('a refused token', () => {
  it('opens the breaker at once, and tells auth:failed once after authFailLimit answers', async () => {
    const { clock, courier, events, tries } = bench(() => refused);
    const sent = watch(courier.send(photoDelivery(1), never));
    await clock.advance(0);
    expect(courier.isOpen).toBe(true);
    await clock.advance(3_600_000);
    expect(events.filter(({ type }) => type === 'auth:failed')).toEqual([{ type: 'auth:failed', error: refused }]);
    expect(tries.length).toBeGreaterThan(20);
    expect(sent.state).toBe('pending');
  });

  it('is forgiven once the server takes a delivery again', async () => {
    let isRight = false;
    const { clock, courier, types } = bench(() => (isRight ? undefined : refused), { authFailLimit: 3 });
    const sent = watch(courier.send(photoDelivery(1), never));
    await clock.advance(1_000);
    isRight = true;
    await clock.advance(60_000);
    expect(sent.state).toBe('resolved');
    expect(types()).toEqual(['delivery:held', 'breaker:open', 'delivery:held', 'breaker:closed']);
  });
});

describe('Retry-After', () => {
  it('pauses all deliveries, new ones too, and is told once', async () => {
    const { clock, courier, tries, events } = bench((_delivery, count) => (count === 1 ? limited(7_000) : undefined));
    sendAll(courier, [1, 2]);
    await clock.advance(100);
    sendAll(courier, [3]);
    const mayClaim = watch(courier.whenClosed(never));
    await clock.advance(6_800);
    expect(tries).toHaveLength(2);
    expect(mayClaim.state).toBe('pending');
    await clock.advance(200);
    expect(mayClaim).toEqual({ state: 'resolved', value: 'closed' });
    expect(tries.map(({ jobId }) => jobId).sort()).toEqual(['1', '1', '2', '2', '3']);
    expect(events.filter(({ type }) => type === 'courier:paused')).toMatchObject([
      { type: 'courier:paused', pauseMs: 7_000 },
      // The third one's own first answer.
      { type: 'courier:paused', pauseMs: 7_000 },
    ]);
  });
});

describe('whenClosed', () => {
  it('answers at once while deliveries flow', async () => {
    await expect(bench().courier.whenClosed(never)).resolves.toBe('closed');
  });

  it('waits while the breaker is open', async () => {
    let isUp = false;
    const { clock, courier } = bench(() => (isUp ? undefined : outage));
    sendAll(courier, times(9));
    await clock.advance(0);
    const mayClaim = watch(courier.whenClosed(never));
    await clock.advance(2_000);
    expect(mayClaim.state).toBe('pending');
    isUp = true;
    await clock.advance(30_000);
    expect(mayClaim).toEqual({ state: 'resolved', value: 'closed' });
  });

  it('asks for a witness at the pace of the probes when nothing is left that could close the breaker', async () => {
    const { clock, courier } = bench(() => outage, { failureThreshold: 1 });
    const stop = new AbortController();
    const sent = watch(courier.send(photoDelivery(1), stop.signal));
    await clock.advance(0);
    stop.abort();
    await clock.advance(0);
    expect(sent.state).toMatchObject({ code: 'RUNNER_STOPPED' });
    const mayClaim = watch(courier.whenClosed(never));
    await clock.advance(499);
    expect(mayClaim.state).toBe('pending');
    await clock.advance(1);
    expect(mayClaim).toEqual({ state: 'resolved', value: 'witness' });
    const again = watch(courier.whenClosed(never));
    await clock.advance(900);
    expect(again.state).toBe('pending');
    await clock.advance(100);
    expect(again.state).toBe('resolved');
  });

  it('asks for no witness while a wrong token is the reason', async () => {
    const { clock, courier } = bench(() => refused);
    sendAll(courier, [1]);
    await clock.advance(0);
    const mayClaim = watch(courier.whenClosed(never));
    await clock.advance(3_600_000);
    expect(mayClaim.state).toBe('pending');
  });

  it('ends with RUNNER_STOPPED when the signal aborts', async () => {
    const { clock, courier } = bench(() => refused);
    sendAll(courier, [1]);
    await clock.advance(0);
    const stop = new AbortController();
    const waiting = expect(courier.whenClosed(stop.signal)).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    stop.abort();
    await waiting;
    await expect(courier.whenClosed(stop.signal)).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  });
});

describe('stopping', () => {
  it('rejects a held delivery, one under way and a new one with RUNNER_STOPPED when the signal aborts', async () => {
    const stop = new AbortController();
    const { clock, courier } = bench(({ jobId }) => (jobId === '1' ? outage : new Promise<never>(() => undefined)));
    const sent = [1, 2].map((id) => watch(courier.send(photoDelivery(id), stop.signal)));
    await clock.advance(0);
    expect(courier.stats()).toMatchObject({ held: 1, inFlight: 1 });
    stop.abort();
    await turnOfTheLoop();
    expect(sent.map(({ state }) => state)).toMatchObject([{ code: 'RUNNER_STOPPED' }, { code: 'RUNNER_STOPPED' }]);
    await expect(courier.send(photoDelivery(3), stop.signal)).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
    expect(courier.stats()).toMatchObject({ held: 0, failed: 0 });
  });

  it('hands the abort on to the sink', async () => {
    const stop = new AbortController();
    let seen: AbortSignal | undefined;
    const { clock, courier } = bench((_delivery, _count, signal) => {
      seen = signal;
      return new Promise<never>(() => undefined);
    });
    const sent = watch(courier.send(photoDelivery(1), stop.signal));
    await clock.advance(0);
    expect(seen?.aborted).toBe(false);
    stop.abort();
    await turnOfTheLoop();
    expect(seen?.aborted).toBe(true);
    expect(sent.state).toMatchObject({ code: 'RUNNER_STOPPED' });
  });

  it('does not count what a stopped sink answers as an outage', async () => {
    const stop = new AbortController();
    const { clock, courier } = bench(
      (_delivery, _count, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(outage))),
    );
    const sent = times(8).map((id) => watch(courier.send(photoDelivery(id), stop.signal)));
    await clock.advance(0);
    stop.abort();
    await clock.advance(0);
    expect(sent.every(({ state }) => state !== 'pending')).toBe(true);
    expect(courier.stats()).toMatchObject({ breaker: 'closed', consecutiveFailures: 0, inFlight: 0 });
  });

  it('puts one listener on a signal that many deliveries share, and takes it away', async () => {
    const { signal } = new AbortController();
    let most = 0;
    let failures = 0;
    const { clock, courier } = bench(() => {
      most = Math.max(most, getEventListeners(signal, 'abort').length);
      return (failures += 1) <= 20 ? outage : undefined;
    });
    const sent = times(50).map((id) => watch(courier.send(photoDelivery(id), signal)));
    await clock.advance(600_000);
    expect(sent.every(({ state }) => state === 'resolved')).toBe(true);
    expect(most).toBe(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('close() rejects all that waits, closes the sink once, and leaves no timer', async () => {
    let closed = 0;
    const clock = new VirtualClock();
    const sink = {
      ...memorySink({ respond: () => Promise.reject(outage) }),
      close: () => Promise.resolve(void (closed += 1)),
    };
    const courier = createCourier({ sink, clock });
    const sent = sendAll(courier, times(10));
    await clock.advance(5_000);
    const mayClaim = watch(courier.whenClosed(never));
    const closing = courier.close();
    expect(courier.close()).toBe(closing);
    await closing;
    await clock.advance(0);
    expect(
      [...sent, mayClaim].every(({ state }) => state instanceof RunnerError && state.code === 'RUNNER_STOPPED'),
    ).toBe(true);
    expect(closed).toBe(1);
    expect(clock.pending).toBe(0);
    await expect(courier.send(photoDelivery(11), never)).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  });
});

it('refuses options that it does not know or understand', () => {
  const sink = memorySink();
  expect(() => createCourier({ sink, options: { concurrency: 0 } })).toThrow(
    expect.objectContaining({ code: 'OPTIONS_INVALID' }),
  );
  expect(() => createCourier({ sink, options: { treshold: 1 } as Partial<CourierOptions> })).toThrow(/treshold/);
});
