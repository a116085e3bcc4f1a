import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { readDeadLetter } from '../../src/queue/dead-letter.js';
import type { Claim } from '../../src/queue/queue.js';
import type { QueueHarness } from './queue-contract.js';
import { until } from './until.js';

const never = new AbortController().signal;
const MAX_ATTEMPTS = 3;

/** Few different elements, so that identical ones meet. */
const element = fc.constantFrom(
  ...['{"photo_id":1}', '{"photo_id":1} ', '{}', 'no json', '', '[1]'].map((text) => Buffer.from(text)),
  Buffer.from([0xff, 0x00, 0x7d]),
);

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), element }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('claim' as const), max: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('ack' as const), pick: fc.nat(), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('retry' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bury' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('giveBack' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Random histories: every copy of every element ends in exactly one place, with its bytes unchanged. */
export function describeQueueModel(
  makeHarness: () => Promise<QueueHarness>,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): void {
  it(`loses, multiplies and changes nothing in ${runs} random histories (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const harness = await makeHarness();
        try {
          await runHistory(harness, steps);
        } finally {
          await harness.dispose();
        }
      }),
      { numRuns: runs, seed },
    );
  }, 120_000);
}

async function runHistory(harness: QueueHarness, steps: readonly Step[]): Promise<void> {
  const queue = harness.create({ maxAttempts: MAX_ATTEMPTS, backoffBaseMs: 1, backoffMaxMs: 1, claimTimeoutMs: 10 });
  await queue.open();
  const pushed: Buffer[] = [];
  const acked: Buffer[] = [];
  let held: Claim[] = [];
  const take = (pick: number): Claim | undefined => held.splice(pick % Math.max(1, held.length), 1)[0];

  for (const current of steps) {
    switch (current.kind) {
      case 'push':
        pushed.push(current.element);
        await harness.push(current.element);
        break;
      case 'claim':
        held.push(...(await queue.claim(current.max, never)));
        break;
      case 'ack': {
        const finished = Array.from({ length: current.count }, () => take(current.pick)).filter(
          (claim) => claim !== undefined,
        );
        await queue.ack(finished);
        acked.push(...finished.map(({ raw }) => raw));
        break;
      }
      case 'retry': {
        const claim = take(current.pick);
        if (!claim) break;
        const outcome = await queue.retry(claim, { error: new RunnerError('RUN_FAILED', 'x') });
        expect(outcome.attempts).toBeGreaterThan(0);
        expect(outcome.attempts).toBeLessThanOrEqual(MAX_ATTEMPTS);
        break;
      }
      case 'bury': {
        const claim = take(current.pick);
        if (claim) await queue.bury(claim, { error: new RunnerError('IMAGE_DECODE', 'x') });
        break;
      }
      case 'giveBack':
        expect(await queue.giveBack()).toBe(held.length);
        held = [];
        break;
    }
    const { waiting, inFlight, retry, suspects, dead } = await queue.depth();
    expect(inFlight).toBe(held.length);
    expect(waiting + inFlight + retry + suspects + dead).toBe(pushed.length - acked.length);
  }

  // Whatever was to be tried again comes back by itself.
  await until('no retry is left', async () => (await queue.depth()).retry === 0);
  await queue.close();
  const dead = (await harness.dead()).map((entry) => readDeadLetter(entry).original);
  const ends = [...acked, ...(await harness.waiting()), ...dead];
  expect(sorted(ends)).toEqual(sorted(pushed));
}

function sorted(elements: readonly Buffer[]): string[] {
  return elements.map((element) => element.toString('hex')).sort();
}
