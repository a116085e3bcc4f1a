import type { Redis } from 'ioredis';
import { queueLeft } from '../support/queue-left.js';
import type { FlakySink } from './flaky-sink.js';
import type { Workload } from './workload.js';

/** What a soak found out. */
export interface Verdict {
  /** Jobs that were neither called back nor are dead. */
  readonly lost: readonly string[];
  /** Callbacks and dead letters that nobody asked for. */
  readonly unexpected: readonly string[];
  /** Elements that are still somewhere, by key. */
  readonly left: Readonly<Record<string, number>>;
  /** Keys of the runner's own that should be gone. */
  readonly keys: readonly string[];
  readonly deadLetters: Readonly<Record<string, number>>;
  /** Callbacks beyond one for each element: at least once, not exactly once. */
  readonly duplicates: number;
}

const SHOWN = 20;
/** These run out by themselves. */
const GATES = /:(reaplock|sweeplock)$/;

export async function judge(client: Redis, queue: string, workload: Workload, sink: FlakySink): Promise<Verdict> {
  const lost: string[] = [];
  const unexpected: string[] = [];
  const dead = await deadReasons(client, queue, workload);
  const deadLetters: Record<string, number> = {};
  let duplicates = 0;
  for (let id = 1; id <= workload.jobs; id += 1) {
    const taken = sink.taken[id]!;
    const copies = workload.elements(id).length;
    const reasons = dead.get(id) ?? [];
    for (const reason of reasons) deadLetters[reason] = (deadLetters[reason] ?? 0) + 1;
    const faults = judgeJob({ taken, copies, reasons, expected: workload.deathOf(id) });
    lost.push(...faults.lost.map((what) => `${id}: ${what}`));
    unexpected.push(...faults.unexpected.map((what) => `${id}: ${what}`));
    duplicates += Math.max(0, taken - copies);
  }
  for (const id of dead.keys()) {
    if (!(id >= 1 && id <= workload.jobs)) unexpected.push(`${id}: dead, and never pushed`);
  }
  if (sink.unknown > 0) unexpected.push(`${sink.unknown} callbacks for jobs that were never pushed`);
  const keys = (await client.keys('*')).filter((key) => key !== `${queue}_dlq` && !GATES.test(key));
  const left = await queueLeft(client, queue);
  return {
    lost: lost.slice(0, SHOWN),
    unexpected: unexpected.slice(0, SHOWN),
    left,
    keys,
    deadLetters,
    duplicates,
  };
}

export function isGood({ lost, unexpected, left, keys }: Verdict): boolean {
  return lost.length + unexpected.length + Object.keys(left).length + keys.length === 0;
}

interface JobFacts {
  readonly taken: number;
  readonly copies: number;
  /** Of its dead letters. */
  readonly reasons: readonly string[];
  readonly expected: string | undefined;
}

function judgeJob({ taken, copies, reasons, expected }: JobFacts): Pick<Verdict, 'lost' | 'unexpected'> {
  const died = `dead as ${reasons.join(', ')}`;
  if (expected === undefined) {
    return {
      lost: taken < copies ? [`called back ${taken} of ${copies} times`] : [],
      unexpected: reasons.length > 0 ? [died] : [],
    };
  }
  const isWrong = reasons.length > 0 && reasons.join() !== expected;
  return {
    lost: reasons.length === 0 ? ['not among the dead letters'] : [],
    unexpected: [
      ...(isWrong ? [`${died}, not as ${expected}`] : []),
      ...(taken > 0 ? ['called back although it had to die'] : []),
    ],
  };
}

async function deadReasons(client: Redis, queue: string, workload: Workload): Promise<Map<number, string[]>> {
  const dead = new Map<number, string[]>();
  for (const entry of await client.lrange(`${queue}_dlq`, 0, -1)) {
    const element = JSON.parse(entry) as { readonly _runner: { readonly reason: string } };
    const id = workload.idOf(element);
    dead.set(id, [...(dead.get(id) ?? []), element._runner.reason]);
  }
  return dead;
}
