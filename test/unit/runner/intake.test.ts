import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import type { ClaimBounds } from '../../../src/claim-capacity.js';
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

/** What an intake needs besides its queue; jobs that it submits go to `items`. */
function optionsFor(queue: Queue, items: LaneItem[]): ConstructorParameters<typeof Intake>[0] {
  return {
    queue,
    jobType,
    capacity: fixed(4),
    batch: 2,
    maxElementBytes: 100,
    onGone: 'bury',
    emit: () => undefined,
    planOf: () => makePlan([unit as never]),
    itemBytes: 0,
    submit: (submitted) => items.push(...submitted),
    deliver: () => Promise.resolve(),
    whenSinkOpen: () => Promise.resolve('closed'),
  };
}

function fixed(count: number): ClaimBounds {
  return { atLeast: count, atMost: count };
}

/** The jobs that came first are done. */
function finish(items: LaneItem[], count: number): void {
  for (const item of items.splice(0, count)) {
    item.onOutcome('idle', 'idle', { ok: true, value: 1 });
    item.onEnd(undefined);
  }
}

/** Stops, with all jobs done and all acks answered. */
async function stop(intake: Intake, queue: ReturnType<typeof makeQueue>, items: LaneItem[]): Promise<void> {
  const stopped = intake.stopClaiming();
  finish(items, items.length);
  await until('the last acks are on their way', () => {
    queue.answer();
    return intake.unfinished === 0;
  });
  await stopped;
}

it('claims what it may hold, and again as soon as acks of a share are on their way', async () => {
  const queue = makeQueue();
  const items: LaneItem[] = [];
  const intake = new Intake(optionsFor(queue, items));
  intake.start();
  await until('it holds what it may', () => items.length === 4);
  expect(queue.claims).toEqual([4]);

  // One place is no share.
  finish(items, 1);
  await until('an ack is on its way', () => queue.sent.length === 1);
  expect([queue.claims.length, intake.stats().inFlight]).toEqual([1, 3]);

  finish(items, 1);
  await until('it claims though no ack was answered', () => queue.claims.length === 2);
  expect(queue.sent).toEqual([1, 1]);
  expect(intake.stats().inFlight).toBe(4);
  expect(intake.unfinished).toBe(6);

  for (const claims of [3, 4]) {
    finish(items, 2);
    await until('more acks go at the same time', () => queue.claims.length === claims);
  }
  // A fifth waits for an answer to one of the four, and its place with it.
  finish(items, 2);
  await new Promise(setImmediate);
  expect([queue.sent, queue.claims.length]).toEqual([[1, 1, 2, 2], 4]);
  queue.answer();
  await until('the fifth goes, and a claim behind it', () => queue.claims.length === 5);
  expect(queue.sent).toEqual([1, 1, 2, 2, 2]);

  await stop(intake, queue, items);
});

describe('where jobs are over at once', () => {
  const capacity: ClaimBounds = { atLeast: 4, atMost: 16 };

  it('holds more of them, up to its bound, and few again when they take long', async () => {
    const queue = makeQueue();
    const items: LaneItem[] = [];
    let most = 0;
    const intake = new Intake({
      ...optionsFor(queue, items),
      capacity,
      submit: (submitted) => {
        items.push(...submitted);
        most = Math.max(most, intake.stats().inFlight);
      },
    });
    intake.start();
    await until('sixteen are in hand', () => {
      if (items.length < capacity.atMost) finish(items, items.length);
      queue.answer();
      return items.length === capacity.atMost;
    });
    expect(most).toBe(capacity.atMost);

    await sleep(150);
    finish(items, capacity.atMost - 3);
    queue.answer();
    const before = queue.claims.length;
    await new Promise(setImmediate);
    expect(queue.claims.length, 'a single place of four is no share').toBe(before);
    await stop(intake, queue, items);
  });

  it('does not count those that asked for nothing', async () => {
    const queue = makeQueue();
    const intake = new Intake({ ...optionsFor(queue, []), capacity, planOf: () => makePlan([]) });
    intake.start();
    await until('a thousand are done', () => {
      queue.answer();
      return queue.sent.reduce((sum, count) => sum + count, 0) > 1000;
    });
    expect(Math.max(...queue.claims)).toBe(capacity.atLeast);
    await stop(intake, queue, []);
  });
});

describe('a queue that takes two claims at a time', () => {
  /** Like the one above, but a claim is answered when it is told to, with as many as are said. */
  function makeSlowQueue(): ReturnType<typeof makeQueue> & {
    readonly out: { readonly max: number; readonly answer: (count: number) => void }[];
  } {
    const out: { max: number; answer: (count: number) => void }[] = [];
    let number = 0;
    const take = (): Claim => {
      number += 1;
      return { id: String(number), raw: Buffer.from(String(number)), isSuspect: false };
    };
    return {
      ...makeQueue(),
      claimsAtOnce: 2,
      out,
      claim: (max, signal) =>
        new Promise((resolve) => {
          const answer = (count: number): void => {
            out.splice(out.indexOf(one), 1);
            resolve(Array.from({ length: count }, take));
          };
          const one = { max, answer };
          out.push(one);
          signal.addEventListener('abort', () => answer(0), { once: true });
        }),
    };
  }

  const sizes = (queue: ReturnType<typeof makeSlowQueue>): number[] => queue.out.map(({ max }) => max);

  it('is asked again while an answer is on its way, for no more than there is room', async () => {
    const queue = makeSlowQueue();
    const items: LaneItem[] = [];
    const intake = new Intake({ ...optionsFor(queue, items), capacity: fixed(7) });
    intake.start();
    await until('the first claim is out', () => queue.out.length === 1);
    await new Promise(setImmediate);
    expect(sizes(queue), 'nobody knows yet whether there is plenty').toEqual([7]);
    queue.out[0]!.answer(7);
    await until('seven are in hand', () => items.length === 7);

    finish(items, 3);
    await until('a claim for their places is out', () => queue.out.length === 1);
    finish(items, 3);
    await until('another one is out', () => queue.out.length === 2);
    finish(items, 1);
    await new Promise(setImmediate);
    expect(sizes(queue)).toEqual([3, 3]);

    queue.out[0]!.answer(3);
    await until('the place that was left, and those that come free, are asked for', async () => {
      await new Promise(setImmediate);
      if (items.length === 3) finish(items, 2);
      return queue.out.length === 2;
    });
    expect(sizes(queue)).toEqual([3, 3]);
    expect(intake.stats().inFlight).toBe(1);
    await stop(intake, queue, items);
    expect(queue.out).toEqual([]);
  });

  it('is asked once at a time while it has less than is asked for', async () => {
    const queue = makeSlowQueue();
    const items: LaneItem[] = [];
    const intake = new Intake(optionsFor(queue, items));
    intake.start();
    await until('the first claim is out', () => queue.out.length === 1);
    queue.out[0]!.answer(4);
    await until('four are in hand', () => items.length === 4);
    finish(items, 4);
    await until('two claims could be out', () => queue.out.length === 1);
    queue.out[0]!.answer(1);
    await until('one is in hand', () => items.length === 1 && queue.out.length === 1);
    finish(items, 1);
    await new Promise(setImmediate);
    expect(sizes(queue)).toEqual([3]);
    await stop(intake, queue, items);
    expect(queue.out).toEqual([]);
  });
});
