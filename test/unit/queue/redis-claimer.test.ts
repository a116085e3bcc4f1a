import { expect, it } from 'vitest';

import { systemClock } from '../../../src/clock.js';
import { ClaimBook } from '../../../src/queue/claim-book.js';
import { RedisClaimer } from '../../../src/queue/redis-claimer.js';

/** A claimer whose inbox is as it is said, on a server whose queue is empty and that tells of kills when it is told to. */
function makeClaimer(inbox: readonly (readonly [string, 'queue' | 'unknown'])[]) {
  const book = new ClaimBook('test');
  for (const [raw, origin] of inbox) book.add(Buffer.from(raw), origin);
  let tell: (kills: number) => void = () => undefined;
  const claimer = new RedisClaimer({
    book,
    clock: systemClock,
    claimTimeoutMs: 10_000,
    maxKills: 3,
    keys: { queue: 'queue', suspects: 'suspects' },
    commands: { isReady: true },
    registration: { ensure: () => Promise.resolve() },
    processing: { isInDoubt: false, reconcileIfDue: () => Promise.resolve(), take: () => Promise.resolve(0) },
    settler: { kills: () => new Promise((resolve) => (tell = resolve)), buryPoison: () => Promise.resolve() },
    health: { succeed: () => undefined, fail: () => undefined },
  } as never);
  return { claimer, tell: (kills: number) => tell(kills) };
}

it.each([
  [
    'a poisoned one',
    [
      ['ghost', 'unknown'],
      ['next', 'queue'],
    ],
    3,
  ],
  ['a good one', [['ghost', 'unknown']], 0],
] as const)(
  'gives no element out twice where it has to ask about %s while another claim takes some',
  async (_, inbox, kills) => {
    const { claimer, tell } = makeClaimer(inbox);
    const never = [new AbortController().signal];
    const first = claimer.claim(2, never);
    await new Promise(setImmediate);
    const besides = [claimer.claimBeside(2, never)];
    await besides[0];
    tell(kills);
    besides.push(claimer.claimBeside(2, never));
    const claims = [await first, ...(await Promise.all(besides))].flat();
    expect(claims.map(({ raw }) => raw.toString())).toEqual([kills === 0 ? 'ghost' : 'next']);
  },
);
