import { availableParallelism, cpus, totalmem } from 'node:os';
import type { ResolvedOptions } from '../../options.js';
import { sizeText } from '../models/table.js';
import { note, ok, type Finding } from './finding.js';
import { readQuota } from './quota.js';

/** What libuv has for decodings and file reads of a process unless UV_THREADPOOL_SIZE says otherwise. */
const POOL_THREADS = 4;

/** How the cores and the memory are shared out. */
export async function threadFindings(options: ResolvedOptions, env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const { threads, intraOpThreads, decodeConcurrency, maxBatch, maxMemoryBytes } = options;
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
  const poolThreads = Number(env['UV_THREADPOOL_SIZE'] ?? POOL_THREADS);
  return [
    ok('threads', `${cores} of ${cpus().length} cores usable: ${plan}`, facts),
    ...quotaFindings(quota, threads * intraOpThreads),
    ...(threads * decodeConcurrency > poolThreads
      ? [
          note(
            'threads',
            `${threads * decodeConcurrency} decodings wanted at a time, but Node.js has ${poolThreads} threads for them`,
            `Set UV_THREADPOOL_SIZE=${threads * decodeConcurrency}.`,
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
function quotaFindings(quota: number | undefined, wanted: number): readonly Finding[] {
  if (quota === undefined || quota >= wanted) return [];
  const whole = Math.max(1, Math.floor(quota));
  return [
    note(
      'threads',
      `The container may use ${quota.toFixed(1)} cores, but ${wanted} threads would compute: they are stopped in every period`,
      `Set CLIP_THREADS=1 and CLIP_INTRA_OP_THREADS=${whole}, or give the container more.`,
      { quotaCores: quota },
    ),
  ];
}
