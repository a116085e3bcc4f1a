/** When a child process is replaced though nothing is wrong with it; 0 means never. */
export interface ChildLimits {
  /** Memory that it may take, in bytes. */
  readonly maxMemoryBytes: number;
  /** Photos or texts that it may have been given. */
  readonly maxJobs: number;
  readonly maxAgeMs: number;
}

/** What a child process has come to. */
export interface ChildState {
  readonly rssBytes: number;
  /** What it took when its models had been loaded. */
  readonly loadedRssBytes: number;
  readonly jobs: number;
  readonly ageMs: number;
}

/** Why a child process is replaced. */
export type RecycleReason = 'memory' | 'jobs' | 'age';

/** Models that fill the limit by themselves are no reason: the next child would be no smaller. */
const LEAST_GROWTH = 1.25;

/** What a process with models may take, given what they took when they had been loaded; 0: no limit. */
export function memoryLimit(maxMemoryBytes: number, loadedRssBytes: number): number {
  return maxMemoryBytes > 0 ? Math.max(maxMemoryBytes, loadedRssBytes * LEAST_GROWTH) : 0;
}

/** Whether, and why, a child is to be replaced: a pure decision. */
export function whyRecycle(child: ChildState, limits: ChildLimits): RecycleReason | undefined {
  const { maxMemoryBytes, maxJobs, maxAgeMs } = limits;
  const limitBytes = memoryLimit(maxMemoryBytes, child.loadedRssBytes);
  if (limitBytes > 0 && child.rssBytes > limitBytes) return 'memory';
  if (maxJobs > 0 && child.jobs >= maxJobs) return 'jobs';
  if (maxAgeMs > 0 && child.ageMs >= maxAgeMs) return 'age';
  return undefined;
}
