import type { DeadLetters, QueueDepth } from 'clip-runner';

/** The two kinds of jobs, each in a queue of its own. */
export type JobKind = 'photos' | 'texts';

/** What the gallery does with its queues. */
export interface JobQueues {
  /** For messages. */
  readonly kind: string;
  readonly names: Readonly<Record<JobKind, string>>;
  /** Whether what was queued is lost when this process ends. */
  readonly isInMemory: boolean;
  /** Queues jobs, the first to be done first. Rejects where the queue is out of reach. */
  push(kind: JobKind, jobs: readonly object[]): Promise<void>;
  depth(kind: JobKind): Promise<QueueDepth>;
  deadLetters(kind: JobKind): DeadLetters;
  close(): Promise<void>;
}
