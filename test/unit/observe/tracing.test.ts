import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import { traceJob } from '../../../src/tracing.js';

const JOB = { queue: 'q', jobId: '1', tasks: ['clip'], isSuspect: false };
const subscribed: (() => void)[] = [];
afterEach(() => {
  for (const end of subscribed.splice(0)) end();
});

function hear(channel: string): Record<string, unknown>[] {
  const heard: Record<string, unknown>[] = [];
  const listener = (message: unknown): void => void heard.push({ ...(message as Record<string, unknown>) });
  subscribe(`tracing:clip-runner:${channel}`, listener);
  subscribed.push(() => unsubscribe(`tracing:clip-runner:${channel}`, listener));
  return heard;
}

describe('traceJob', () => {
  it('makes nothing while nobody listens, and nothing any more when the last one has gone', () => {
    expect(traceJob(JOB)).toBeUndefined();
    hear('callback:asyncEnd');
    expect(traceJob(JOB)).toBeDefined();
    subscribed.pop()!();
    expect(traceJob(JOB)).toBeUndefined();
  });

  it('tells of a step with the times that were measured elsewhere, and of whom it is', () => {
    const [jobs, runs] = [hear('job:start'), hear('run:asyncEnd')];
    const trace = traceJob(JOB)!;
    trace.measured('run', 250, { unit: 'clip/x', count: 8 });
    expect(runs).toMatchObject([{ unit: 'clip/x', count: 8, job: { ...jobs[0] } }]);
    const { startTime, endTime } = runs[0] as { startTime: number; endTime: number };
    // The machine may be slow between the two readings of the clock.
    expect(endTime - startTime).toBeGreaterThanOrEqual(249);
    expect(endTime - startTime).toBeLessThan(1250);
    expect(Math.abs(Date.now() - endTime)).toBeLessThan(1000);
  });

  it('tells why a callback and a job failed, and passes the failure on', async () => {
    const [errors, ends] = [hear('callback:error'), hear('job:asyncEnd')];
    const trace = traceJob(JOB)!;
    const error = new Error('no');
    const delivery = { jobId: '1', unit: 'clip/x', path: '/', body: {} };
    await expect(trace.callback(delivery, () => Promise.reject(error))).rejects.toBe(error);
    trace.end(error);
    expect([errors.map((event) => event['error']), ends.map((event) => event['error'])]).toEqual([[error], [error]]);
  });
});
