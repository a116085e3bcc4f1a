import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import type { Delivery, Job, JobVerdict } from '../../../src/job.js';
import type { Task } from '../../../src/tasks/task.js';
import { decisiveError, Ticket, type TicketUnit } from '../../../src/ticket.js';

const job: Job = { type: 'photo', id: '1', tasks: ['t'], input: { kind: 'image', path: 'x' }, fields: {} };
const task: Task = {
  name: 't',
  input: 'image',
  open: () => [],
  warningOf: (value) => (value === 'odd' ? 'something is odd' : undefined),
  deliver: (value, { id }, unit) => [{ jobId: id, unit: unit.label, path: '/x', body: { value } }],
};
const unit = (label: string): TicketUnit => ({ task, unit: { task: 't', label, device: 'cpu', maxBatch: 8 } });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(labels: readonly string[]) {
  const sent: { delivery: Delivery; resolve: () => void; reject: (error: RunnerError) => void }[] = [];
  const verdicts: JobVerdict[] = [];
  const warnings: string[] = [];
  const ticket = new Ticket(job, labels.map(unit), {
    deliver: (delivery) => new Promise<void>((resolve, reject) => sent.push({ delivery, resolve, reject })),
    onWarning: (of, message) => warnings.push(`${of}: ${message}`),
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  return { ticket, sent, verdicts, warnings };
}

describe('Ticket', () => {
  it('passes on what a task warns of, and sends the result all the same', () => {
    const { ticket, sent, warnings } = setUp(['a', 'b']);
    ticket.settleUnit('t', 'a', { ok: true, value: 'odd' });
    ticket.settleUnit('t', 'b', { ok: true, value: 'even' });
    expect(warnings).toEqual(['t/a: something is odd']);
    expect(sent).toHaveLength(2);
  });

  it('sends each result as soon as it is known and is done when all have arrived', async () => {
    const { ticket, sent, verdicts } = setUp(['a', 'b']);
    ticket.settleUnit('t', 'a', { ok: true, value: 1 });
    expect(sent.map(({ delivery }) => delivery.unit)).toEqual(['a']);
    ticket.settleUnit('t', 'b', { ok: true, value: 2 });
    sent[1]?.resolve();
    await turn();
    expect(verdicts).toEqual([]);
    sent[0]?.resolve();
    await turn();
    expect(verdicts).toEqual([{ kind: 'done' }]);
  });

  it('holds no callback back because another unit failed, and fails the job', async () => {
    const { ticket, sent, verdicts } = setUp(['a', 'b']);
    ticket.settleUnit('t', 'a', { ok: false, error: { code: 'RUN_BAD_OUTPUT', message: 'NaN' } });
    ticket.settleUnit('t', 'b', { ok: true, value: 2 });
    sent[0]?.resolve();
    await turn();
    expect(verdicts).toMatchObject([{ kind: 'failed', error: { code: 'RUN_BAD_OUTPUT' } }]);
  });

  it('gives one verdict only, whatever comes late or twice', async () => {
    const { ticket, sent, verdicts } = setUp(['a']);
    ticket.endBatch(new RunnerError('THREAD_DIED', 'gone'));
    ticket.settleUnit('t', 'a', { ok: true, value: 1 });
    ticket.endBatch(undefined);
    await turn();
    expect(sent).toEqual([]);
    expect(verdicts).toMatchObject([{ kind: 'failed', error: { code: 'THREAD_DIED' } }]);
  });

  it('fails where a batch ends without an outcome', () => {
    const { ticket, verdicts } = setUp(['a']);
    ticket.endBatch(undefined);
    expect(verdicts).toMatchObject([{ kind: 'failed', error: { code: 'INTERNAL' } }]);
  });

  it('waits for callbacks under way when the batch is over', async () => {
    const { ticket, sent, verdicts } = setUp(['a']);
    ticket.settleUnit('t', 'a', { ok: true, value: 1 });
    ticket.endBatch(undefined);
    expect(verdicts).toEqual([]);
    sent[0]?.reject(new RunnerError('HTTP_GONE', '404'));
    await turn();
    expect(verdicts).toMatchObject([{ kind: 'failed', error: { code: 'HTTP_GONE' } }]);
  });
});

describe('decisiveError', () => {
  const never = new RunnerError('IMAGE_DECODE', 'broken');
  const later = new RunnerError('HTTP_SERVER_ERROR', '500');
  const stopped = new RunnerError('RUNNER_STOPPED', 'stop');

  it('puts stopping before retrying, and retrying before giving up', () => {
    expect(decisiveError([never, later, stopped])).toBe(stopped);
    expect(decisiveError([never, later])).toBe(later);
    expect(decisiveError([never])).toBe(never);
    expect(decisiveError([])).toBeUndefined();
  });
});
