import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, untilAborted } from '../../../src/lifecycle.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

const never = new Promise<void>(() => undefined);

describe('Deadline', () => {
  it('answers true as soon as the work ends, also by a rejection', async () => {
    const deadline = new Deadline(1000);
    expect(await deadline.reaches(Promise.resolve(), (totalMs) => totalMs)).toBe(true);
    expect(await deadline.reaches(Promise.reject(new Error('x')), (totalMs) => totalMs)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('answers false at its point in time and not before', async () => {
    const deadline = new Deadline(1000);
    const answers: boolean[] = [];
    void deadline.reaches(never, (totalMs) => totalMs / 2).then((answer) => answers.push(answer));
    await vi.advanceTimersByTimeAsync(499);
    expect(answers).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(answers).toEqual([false]);
    expect(deadline.remainingMs()).toBe(500);
  });

  it('can be brought forward while somebody waits, and never be put off', async () => {
    const deadline = new Deadline(10_000);
    const answers: boolean[] = [];
    void deadline.reaches(never, (totalMs) => totalMs).then((answer) => answers.push(answer));
    await vi.advanceTimersByTimeAsync(100);
    deadline.shorten(50);
    deadline.shorten(5000);
    await vi.advanceTimersByTimeAsync(50);
    expect(answers).toEqual([false]);
    expect(deadline.remainingMs(20)).toBe(20);
  });
});

describe('untilAborted', () => {
  it('rejects with the reason of a signal that is aborted already, and leaves no rejection of the work unheard', async () => {
    const unheard: unknown[] = [];
    const listen = (reason: unknown): void => void unheard.push(reason);
    process.on('unhandledRejection', listen);
    const aborted = AbortSignal.abort(new Error('stopping'));
    await expect(untilAborted(Promise.reject(new Error('killed')), aborted)).rejects.toThrow('stopping');
    await new Promise((turn) => setImmediate(turn));
    process.off('unhandledRejection', listen);
    expect(unheard).toEqual([]);
  });
});
