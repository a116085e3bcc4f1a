import { expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';

import { memorySink } from '../../../src/sink/memory.js';
import { photoDelivery } from '../../support/deliveries.js';

const never = new AbortController().signal;
const delivery = photoDelivery;

it('keeps what it takes, oldest first', async () => {
  const sink = memorySink();
  await sink.deliver(delivery('1'), never);
  await sink.deliver(delivery('2'), never);
  expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['1', '2']);
});

it('keeps no more than maxDeliveries, and lets the oldest go', async () => {
  const sink = memorySink({ maxDeliveries: 2 });
  for (const jobId of ['1', '2', '3']) await sink.deliver(delivery(jobId), never);
  expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['2', '3']);
});

it('answers with what respond() throws, and does not keep that delivery', async () => {
  const error = new RunnerError('HTTP_GONE', 'gone');
  const sink = memorySink({ respond: ({ jobId }) => (jobId === '1' ? Promise.reject(error) : undefined) });
  await expect(sink.deliver(delivery('1'), never)).rejects.toBe(error);
  await sink.deliver(delivery('2'), never);
  expect(sink.deliveries.map(({ jobId }) => jobId)).toEqual(['2']);
});

it('takes nothing once the signal has aborted', async () => {
  const sink = memorySink();
  await expect(sink.deliver(delivery('1'), AbortSignal.abort())).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  expect(sink.deliveries).toEqual([]);
});

it('refuses a bound that is none', () => {
  expect(() => memorySink({ maxDeliveries: 0 })).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
});
