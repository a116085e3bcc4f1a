import { redisQueue, type Queue } from 'clip-runner';
import type { JobKind, JobQueues } from './queues/job-queues.js';
import { memoryJobQueues } from './queues/memory.js';
import { redisJobQueues } from './queues/redis.js';

export interface OpenedQueues {
  /** For the gallery. */
  readonly queues: JobQueues;
  /** The same, for a runner. */
  readonly claimed: readonly Queue[];
}

/** Lists in the Redis of `REDIS_URL`, else queues in this process. Dead letters go to `<name>_dlq`, where nothing else is said. */
export function openQueues(
  url: string | undefined,
  names: Readonly<Record<JobKind, string>>,
  deadLetterNames: Readonly<Partial<Record<JobKind, string>>> = {},
): OpenedQueues {
  if (url === undefined || url === '') {
    const queues = memoryJobQueues();
    return { queues, claimed: [queues.queues.photos, queues.queues.texts] };
  }
  const list = (kind: JobKind) => ({
    name: names[kind],
    deadLetterName: deadLetterNames[kind] ?? `${names[kind]}_dlq`,
  });
  const lists = { photos: list('photos'), texts: list('texts') };
  return {
    queues: redisJobQueues(url, lists),
    claimed: [redisQueue({ url, ...lists.photos }), redisQueue({ url, ...lists.texts, jobs: 'text' })],
  };
}
