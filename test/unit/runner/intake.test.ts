import { expect, it } from 'vitest';

import { Intake } from '../../../src/intake.js';
import type { Job } from '../../../src/job.js';
import type { Claim, Queue } from '../../../src/queue/queue.js';
import type { LaneItem } from '../../../src/lane.js';
import { makePlan } from '../../../src/work-plan.js';
import { until } from '../../support/until.js';

const jobType = {
  name: 'idle',
  parse: (text: string): Job => ({
    type: 'idle',
    id: text,
    tasks: ['idle'],
    input: { kind: 'text', text },
    fields: {},
  }),
};
const unit = {
  task: { name: 'idle', input: 'text', open: () => [], deliver: () => [] },
  unit: { task: 'idle', label: 'idle', modelName: 'idle' },
} as const;

/** An endless queue that says how many it handed out and acknowledges when it is told to. */
function makeQueue(): Queue & { readonly claims: number[]; readonly sent: number[]; answer: () => void } {
  const claims: number[] = [];
  const sent: number[] = [];
  let answers: (() => void)[] = [];
  let count = 0;
  return {
    claims,
    sent,
    answer: () => {
      for (const tell of answers.splice(0)) tell();
      answers = [];
    },
    name: 'idle',
    jobs: jobType,
    open: () => Promise.resolve(),
    claim: (max) => {
      claims.push(max);
      const claimed = Array.from({ length: max }, (): Claim => {
        count += 1;
        return { id: String(count), raw: Buffer.from(String(count)), isSuspect: false };
      });
      return Promise.resolve(claimed);
    },
    ack: (acked) => {
      sent.push(acked.length);
      return new Promise((resolve) => answers.push(resolve));
    },
    retry: () => Promise.resolve({ kind: 'scheduled', attempts: 1, delayMs: 0 }),
    bury: () => Promise.resolve(),
    giveBack: () => Promise.resolve(0),
    depth: () => Promise.resolve({ waiting: 0, inFlight: 0, retry: 0, suspects: 0, dead: 0 }),
    close: () => Promise.resolve(),
  };
}

it('claims what it may hold, and again as soon as acks of a share are on their way', async () => {
  const queue = makeQueue();
  const items: LaneItem[] = [];
  const intake = new Intake({
    queue,
    jobType,
    capacity: 4,
    claimTogether: 2,
    maxElementBytes: 100,
    onGone: 'bury',
    emit: () => undefined,
    planOf: () => makePlan([unit as never]),
    itemBytes: 0,
    submit: (submitted) => items.push(...submitted),
    deliver: () => Promise.resolve(),
    whenSinkOpen: () => Promise.resolve('closed'),
  });
  const finish = (count: number): void => {
    for (const item of items.splice(0, count)) {
      item.onOutcome('idle', 'idle', { ok: true, value: 1 });
      item.onEnd(undefined);
    }
  };
  intake.start();
  await until('it holds what it may', () => items.length === 4);
  expect(queue.claims).toEqual([4]);

  // One place is no share.
  finish(1);
  await until('an ack is on its way', () => queue.sent.length === 1);
  expect([queue.claims.length, intake.stats().inFlight]).toEqual([1, 3]);

  finish(1);
  await until('it claims though no ack was answered', () => queue.claims.length === 2);
  expect(queue.sent).toEqual([1, 1]);
  expect(intake.stats().inFlight).toBe(4);
  expect(intake.unfinished).toBe(6);

  for (const claims of [3, 4]) {
    finish(2);
    await until('more acks go at the same time', () => queue.claims.length === claims);
  }
  // A fifth waits for an answer to one of the four, and its place with it.
  finish(2);
  await new Promise(setImmediate);
  expect([queue.sent, queue.claims.length]).toEqual([[1, 1, 2, 2], 4]);
  queue.answer();
  await until('the fifth goes, and a claim behind it', () => queue.claims.length === 5);
  expect(queue.sent).toEqual([1, 1, 2, 2, 2]);

  const stopped = intake.stopClaiming();
  finish(4);
  await until('the last acks are on their way', () => {
    queue.answer();
    return intake.unfinished === 0;
  });
  await stopped;
});
