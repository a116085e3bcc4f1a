import { choice, variable, whole, wholeOrNone, type Variable } from './variable.js';

/** The settings of batches and threads: what a machine and its models decide, and `doctor --tune` looks for. */
export const BATCH_VARIABLES = {
  maxBatch: variable(
    'CLIP_MAX_BATCH',
    'batch',
    '',
    wholeOrNone(1),
    'photos per batch (default: as tuned, else 8 with one thread, 4 with more)',
  ),
  maxTextBatch: variable('CLIP_MAX_TEXT_BATCH', 'text-batch', '32', whole(1), 'texts per batch'),
  maxWaitMs: variable('CLIP_MAX_WAIT_MS', 'max-wait', '20', whole(0), 'wait for a fuller batch while busy, in ms'),
  maxDecodedBytes: variable(
    'CLIP_MAX_DECODED_BYTES',
    'decoded-bytes',
    '',
    wholeOrNone(1),
    'bytes of decoded photos held at a time (default: 64 MiB for each core)',
  ),
  threads: variable(
    'CLIP_THREADS',
    'threads',
    '',
    wholeOrNone(1),
    'worker threads, each with its own models (default: as tuned, else 1, or 2 for faces and for q8 on the processor)',
  ),
  intraOpThreads: variable(
    'CLIP_INTRA_OP_THREADS',
    'intra-op',
    '0',
    whole(0),
    'processor threads per model (0: as tuned, else the cores are shared out)',
  ),
  decodeConcurrency: variable(
    'CLIP_DECODE_CONCURRENCY',
    'decodings',
    '0',
    whole(0),
    'photos decoded at a time in one thread (0: as tuned, else one for each of its cores, one more if it is alone; 2 to 4)',
  ),
  tuning: variable(
    'CLIP_TUNING',
    'tuning',
    'auto',
    choice(['auto', 'off']),
    'take what doctor --tune has found for these models, or not',
  ),
} as const satisfies Record<string, Variable<unknown>>;
