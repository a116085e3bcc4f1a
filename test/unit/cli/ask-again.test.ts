import { describe, expect, it } from 'vitest';
import { askAgain, mayReadLater } from '../../../src/cli/ask-again.js';
import { RunnerError, type ErrorCode, type RunnerErrorOptions } from '../../../src/errors.js';

const failed = (code: ErrorCode, options: RunnerErrorOptions = {}): RunnerError => new RunnerError(code, code, options);
const broken = (code: string): Error => Object.assign(new Error(code), { code });
const reset = failed('HTTP_UNAVAILABLE', { cause: broken('ECONNRESET') });

/** Asks a server that fails with these, one after the other, and then answers. */
async function ask(...failures: readonly RunnerError[]) {
  const waits: number[] = [];
  let tries = 0;
  const answer = await askAgain(
    () => {
      const error = failures[tries++];
      return error === undefined ? Promise.resolve('answer') : Promise.reject(error);
    },
    mayReadLater,
    {
      signal: new AbortController().signal,
      onWait: (waitMs) => waits.push(waitMs),
      wait: () => Promise.resolve(),
    },
  ).catch((error: unknown) => error);
  return { answer, waits, tries };
}

describe('askAgain', () => {
  it('waits longer from try to try, and gives up after five', async () => {
    const unavailable = failed('HTTP_UNAVAILABLE');
    const { answer, waits, tries } = await ask(...Array.from({ length: 9 }, () => unavailable));
    expect([answer, tries]).toEqual([unavailable, 5]);
    expect(waits).toHaveLength(4);
    waits.forEach((waitMs, place) => {
      expect(waitMs).toBeGreaterThanOrEqual(500 * 2 ** place);
      expect(waitMs).toBeLessThanOrEqual(1000 * 2 ** place);
    });
  });

  it('waits as long as the server asks for', async () => {
    const { answer, waits } = await ask(failed('HTTP_RATE_LIMITED', { retryAfterMs: 90_000 }));
    expect([answer, waits]).toEqual(['answer', [90_000]]);
  });

  it('replaces a connection that broke at once, and once', async () => {
    const { answer, waits } = await ask(reset, reset);
    expect([answer, waits[0], waits.length]).toEqual(['answer', 0, 2]);
    expect(waits[1]).toBeGreaterThanOrEqual(1000);
  });

  it('asks once where waiting is of no use', async () => {
    expect(await ask(failed('HTTP_UNAUTHORIZED'))).toMatchObject({ tries: 1, waits: [] });
  });

  it('ends a wait by the signal, with the failure that it waited after', async () => {
    const controller = new AbortController();
    const unavailable = failed('HTTP_UNAVAILABLE', { retryAfterMs: 3_600_000 });
    const asking = askAgain(() => Promise.reject(unavailable), mayReadLater, {
      signal: controller.signal,
      onWait: () => controller.abort(),
    });
    await expect(asking).rejects.toBe(unavailable);
  });
});

describe('mayReadLater', () => {
  it.each<[string, RunnerError, boolean]>([
    ['429', failed('HTTP_RATE_LIMITED'), true],
    ['500', failed('HTTP_SERVER_ERROR', { reason: 'http_500' }), true],
    ['503', failed('HTTP_UNAVAILABLE', { reason: 'http_503' }), true],
    ['a connection that broke', reset, true],
    ['a connection that took too long', failed('HTTP_TIMEOUT', { cause: broken('ETIMEDOUT') }), true],
    ['no answer within --timeout', failed('HTTP_TIMEOUT', { cause: new DOMException('', 'TimeoutError') }), false],
    ['an answer that is no JSON', failed('HTTP_SERVER_ERROR', { cause: new SyntaxError() }), false],
    ['a refused token', failed('HTTP_UNAUTHORIZED'), false],
    ['400', failed('HTTP_REJECTED'), false],
  ])('%s', (_, error, expected) => {
    expect(mayReadLater(error)).toBe(expected);
  });
});
