import { show } from '../../check.js';
import type { QueueLook } from '../../queue/queue-watch.js';
import { invalid } from '../gallery-access.js';

/** What a monitor wants to hear of. */
export interface Limit {
  readonly flag: string;
  readonly value: number;
  readonly measure: (look: QueueLook) => number;
  readonly isLeast: boolean;
  readonly noun: string;
}

const LIMITS = [
  { flag: 'max-waiting', key: 'maxWaiting', measure: (look) => look.waiting, isLeast: false, noun: 'waiting' },
  { flag: 'max-dead', key: 'maxDead', measure: (look) => look.dead, isLeast: false, noun: 'dead' },
  {
    flag: 'min-consumers',
    key: 'minConsumers',
    measure: (look) => look.consumers.filter(({ isAlive }) => isAlive).length,
    isLeast: true,
    noun: 'alive',
  },
] as const satisfies readonly (Omit<Limit, 'value'> & { readonly key: string })[];

/** The limits that are given. @throws RunnerError `OPTIONS_INVALID` */
export function readLimits(flags: Readonly<Record<string, unknown>>): readonly Limit[] {
  return LIMITS.flatMap(({ key, ...limit }) => {
    const text = flags[key];
    if (text === undefined) return [];
    const value = Number(text);
    if (typeof text === 'string' && /^\d+$/.test(text) && Number.isSafeInteger(value)) return [{ ...limit, value }];
    throw invalid(`--${limit.flag} must be a whole number of at least 0, but got ${show(text)}.`);
  });
}

/** A line for each limit of each queue that is exceeded. */
export function exceededLimits(looks: readonly QueueLook[], limits: readonly Limit[]): readonly string[] {
  return looks.flatMap((look) =>
    limits
      .filter(({ measure, value, isLeast }) => (isLeast ? measure(look) < value : measure(look) > value))
      .map(({ flag, measure, value, noun }) => `${look.queue}: ${measure(look)} ${noun} (--${flag} ${value})`),
  );
}
