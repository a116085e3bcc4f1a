import { memoryQueue, type MemoryQueue } from 'clip-runner';
import type { JobKind, JobQueues } from './job-queues.js';

/** Queues inside this process, for a runner inside this process. */
export function memoryJobQueues(): JobQueues & { readonly queues: Readonly<Record<JobKind, MemoryQueue>> } {
  const queues = {
    photos: memoryQueue({ name: 'photo_tasks' }),
    texts: memoryQueue({ name: 'text_tasks', jobs: 'text' }),
  };
  return {
    kind: 'the embedded queue',
    names: { photos: queues.photos.name, texts: queues.texts.name },
    isInMemory: true,
    queues,
    push: (kind, jobs) => {
      queues[kind].push(...jobs);
      return Promise.resolve();
    },
    depth: (kind) => queues[kind].depth(),
    deadLetters: (kind) => queues[kind].deadLetters(),
    close: async () => {
      await Promise.all([queues.photos.close(), queues.texts.close()]);
    },
  };
}
