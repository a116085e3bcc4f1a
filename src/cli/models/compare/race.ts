/** Milliseconds per input of each round, by contestant; the same round has the same place. */
export interface Race {
  readonly reference: readonly number[];
  readonly candidate: readonly number[];
}

export interface RaceLimits {
  readonly leastRounds: number;
  readonly mostRounds: number;
  /** After so long no further round begins, once there are the least. */
  readonly ms: number;
  /** Milliseconds. */
  readonly now: () => number;
}

const RACE_LIMITS: RaceLimits = { leastRounds: 7, mostRounds: 40, ms: 5000, now: () => performance.now() };

/**
 * Runs two in turn, so that a machine that becomes slower or warmer does so for both. Who begins changes from round to round.
 * A first round of each warms up and doesn't count.
 */
export async function race(
  reference: () => Promise<number>,
  candidate: () => Promise<number>,
  { leastRounds, mostRounds, ms, now }: RaceLimits = RACE_LIMITS,
): Promise<Race> {
  await reference();
  await candidate();
  const times: { reference: number[]; candidate: number[] } = { reference: [], candidate: [] };
  const startedAt = now();
  for (let round = 0; round < mostRounds; round++) {
    if (round >= leastRounds && now() - startedAt >= ms) break;
    const order = round % 2 === 0 ? (['reference', 'candidate'] as const) : (['candidate', 'reference'] as const);
    for (const name of order) times[name].push(await (name === 'reference' ? reference() : candidate()));
  }
  return times;
}
