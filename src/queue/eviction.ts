/** What Redis may do to a queue when its memory is short. */
export interface EvictionRisk {
  readonly losesJobs: boolean;
  /** Goes on after the policy's name. */
  readonly says: string;
}

/** What a `maxmemory-policy` may cost; undefined for `noeviction`. A queue is one key, and has no time to live. */
export function evictionRisk(policy: string): EvictionRisk | undefined {
  if (policy === 'noeviction') return undefined;
  if (policy.startsWith('volatile-'))
    return {
      losesJobs: false,
      says: 'when memory is short Redis may drop heartbeats and locks, so that jobs run twice; none is lost',
    };
  return { losesJobs: true, says: 'when memory is short Redis may drop the whole queue' };
}
