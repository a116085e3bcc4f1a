import { deadLetters, redisQueue, type DeadLetters, type Queue } from 'clip-runner';
import { Redis } from 'ioredis';
import type { JobKind, JobQueues } from './job-queues.js';

/** A list of jobs in Redis, and that of its dead letters. */
export interface ListNames {
  readonly name: string;
  readonly deadLetterName: string;
}

const COMMAND_MS = 5_000;

/** Queues in Redis: the server LPUSHes, runners take from the right. */
export function redisJobQueues(url: string, lists: Readonly<Record<JobKind, ListNames>>): JobQueues {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: COMMAND_MS, connectTimeout: COMMAND_MS });
  // What fails is seen by the command.
  redis.on('error', () => undefined);
  const queues: Record<JobKind, Queue> = {
    photos: redisQueue({ url, ...lists.photos }),
    texts: redisQueue({ url, ...lists.texts, jobs: 'text' }),
  };
  const letters: Record<JobKind, DeadLetters> = {
    photos: deadLetters({ url, ...lists.photos }),
    texts: deadLetters({ url, ...lists.texts }),
  };
  return {
    kind: 'Redis',
    names: { photos: lists.photos.name, texts: lists.texts.name },
    isInMemory: false,
    push: async (kind, jobs) => {
      // The first is pushed first, and so stays the one to be taken first.
      if (jobs.length > 0) await redis.lpush(lists[kind].name, ...jobs.map((job) => JSON.stringify(job)));
    },
    depth: (kind) => queues[kind].depth(),
    deadLetters: (kind) => letters[kind],
    close: async () => {
      redis.disconnect();
      await Promise.all([...Object.values(queues), ...Object.values(letters)].map((part) => part.close()));
    },
  };
}
