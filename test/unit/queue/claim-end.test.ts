import { expect, it } from 'vitest';

import { ClaimEnd } from '../../../src/queue/claim-end.js';
import { VirtualClock } from '../../support/virtual-clock.js';

it('is over at its time, with a signal and without one', async () => {
  for (const hasSignal of [false, true]) {
    const clock = new VirtualClock();
    const end = new ClaimEnd([new AbortController().signal], 100, clock);
    await clock.advance(40);
    const signal = hasSignal ? end.signal : undefined;
    await clock.advance(59);
    expect([end.isOver(), end.isCalledOff(), signal?.aborted ?? false]).toEqual([false, false, false]);
    await clock.advance(1);
    expect([end.isOver(), end.isCalledOff(), signal?.aborted ?? true]).toEqual([true, false, true]);
    end.dispose();
  }
});

it('is over as soon as any caller calls it off, before its signal is asked for or after', () => {
  for (const isAskedBefore of [false, true]) {
    const clock = new VirtualClock();
    const callers = [new AbortController(), new AbortController()];
    const end = new ClaimEnd(
      callers.map(({ signal }) => signal),
      100,
      clock,
    );
    if (isAskedBefore) expect(end.signal.aborted).toBe(false);
    callers[1]?.abort();
    expect([end.isOver(), end.isCalledOff(), end.signal.aborted]).toEqual([true, true, true]);
    end.dispose();
  }
});

it('lets go of its timer', async () => {
  const clock = new VirtualClock();
  const end = new ClaimEnd([], 100, clock);
  const { signal } = end;
  expect(clock.pending).toBe(1);
  end.dispose();
  expect(clock.pending).toBe(0);
  await clock.advance(100);
  expect([signal.aborted, end.isOver()]).toEqual([false, true]);
});
