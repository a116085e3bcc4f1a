import { availableParallelism, cpus, totalmem } from 'node:os';
import type { ResolvedOptions } from '../../options.js';
import { UV_THREADS } from '../../pool/child-environment.js';
import { layOutThreads } from '../../thread-layout.js';
import { sizeText } from '../models/table.js';
import { note, ok, type Finding } from './finding.js';
import { readQuota } from './quota.js';

/** How the cores and the memory are shared out. */
export async function threadFindings(options: ResolvedOptions, env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const { threads, intraOpThreads, decodeConcurrency, maxBatch, maxMemoryBytes, isolation } = options;
  const cores = availableParallelism();
  const quota = await readQuota();
  const memory = { total: totalmem(), allowed: process.constrainedMemory() };
  const isMemoryLimited = memory.allowed > 0 && memory.allowed < memory.total;
  const usable = isMemoryLimited ? memory.allowed : memory.total;
  const plan = `${threads} ${threads === 1 ? 'thread' : 'threads'} x ${intraOpThreads} cores per model, ${decodeConcurrency} decodings each, batches of ${maxBatch}`;
  const facts = {
    cores,
    machineCores: cpus().length,
    quotaCores: quota ?? null,
    threads,
    intraOpThreads,
    decodeConcurrency,
    maxBatch,
  };
  const decodings = threads * decodeConcurrency;
  // A child process of ours has as many as it needs, unless this is set.
  const poolThreads = Number(env['UV_THREADPOOL_SIZE'] ?? (isolation === 'process' ? Infinity : UV_THREADS));
  return [
    ok('threads', `${cores} of ${cpus().length} cores usable: ${plan}`, facts),
    ...quotaFindings(quota, options),
    ...(decodings > poolThreads
      ? [
          note(
            'threads',
            `${decodings} decodings wanted at a time, but Node.js has ${poolThreads} threads for them`,
            `Set UV_THREADPOOL_SIZE=${decodings}.`,
            { poolThreads },
          ),
        ]
      : []),
    ok(
      'threads',
      `${sizeText(usable)} of memory${isMemoryLimited ? ' (limited by the container)' : ''}; a process with models may take ` +
        (maxMemoryBytes === 0 ? 'any of it' : sizeText(maxMemoryBytes)),
      { usableBytes: usable, isMemoryLimited, maxMemoryBytes },
    ),
  ];
}

/** A quota that is lower than the threads stops all of them for a part of each period. */
function quotaFindings(quota: number | undefined, options: ResolvedOptions): readonly Finding[] {
  const wanted = options.threads * options.intraOpThreads;
  if (quota === undefined || quota >= wanted) return [];
  const whole = Math.max(1, Math.floor(quota));
  const { threads, intraOpThreads } = layOutThreads({ ...options, threads: undefined, intraOpThreads: 0 }, whole);
  return [
    note(
      'threads',
      `The container may use ${quota.toFixed(1)} cores, but ${wanted} threads would compute: they are stopped in every period`,
      `Set CLIP_THREADS=${threads} and CLIP_INTRA_OP_THREADS=${intraOpThreads}, or give the container more.`,
      { quotaCores: quota },
    ),
  ];
}
