import { RunnerError } from './errors.js';
import type { JobType } from './job.js';
import { photoJobType } from './photo-job.js';
import type { Queue } from './queue/queue.js';
import type { TaskTable } from './task-table.js';
import { textJobType } from './text-job.js';

/** The job types that a queue may name. */
const JOB_TYPES: readonly JobType[] = [photoJobType, textJobType];

/**
 * Understands the elements of a queue.
 * @throws RunnerError `OPTIONS_INVALID` for an unknown name, and for texts where the runner has no task `text`: each job
 *   would have nothing to do, and be acknowledged without an answer.
 */
export function jobTypeOf({ name, jobs }: Queue, tasks: TaskTable): JobType {
  if (typeof jobs !== 'string') return jobs;
  const type = JOB_TYPES.find((candidate) => candidate.name === jobs);
  if (type === undefined) {
    const known = JOB_TYPES.map((candidate) => `"${candidate.name}"`).join(', ');
    throw invalid(`The queue "${name}" has jobs "${jobs}", but expected ${known} or a job type of your own.`);
  }
  if (type === textJobType && !tasks.has('text')) {
    throw invalid(
      `The queue "${name}" has text jobs, but the runner has no task "text": add it to tasks, e.g. tasks: ['clip', 'text'].`,
    );
  }
  return type;
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
