import { choice, variable, whole, wholeOrNone, type Variable } from './variable.js';

/** The settings of commands that run many photos or texts: what a crash may cost, and what a process may take. */
export const ISOLATION_VARIABLES = {
  isolation: variable(
    'CLIP_ISOLATION',
    'isolation',
    'process',
    choice(['process', 'thread']),
    'where models run: in a child process that may crash, or in threads of this one',
  ),
  maxMemoryBytes: variable(
    'CLIP_MAX_MEMORY_BYTES',
    'max-memory',
    '',
    wholeOrNone(0),
    'bytes that a process with models may take before batches shrink and it is replaced (0: any; default: half of what there is)',
  ),
  childMaxJobs: variable(
    'CLIP_CHILD_MAX_JOBS',
    'child-max-jobs',
    '0',
    whole(0),
    'photos or texts after which a child process is replaced (0: never)',
  ),
  childMaxAgeMs: variable(
    'CLIP_CHILD_MAX_AGE_MS',
    'child-max-age',
    '0',
    whole(0),
    'age at which a child process is replaced, in ms (0: never)',
  ),
  batchTimeoutMs: variable(
    'CLIP_BATCH_TIMEOUT_MS',
    'batch-timeout',
    '300000',
    whole(1, 2_147_483_647),
    'time that a batch may take, in ms',
  ),
} as const satisfies Record<string, Variable<unknown>>;
