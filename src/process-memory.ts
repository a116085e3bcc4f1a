/** Memory of a process with models, in bytes. */
export interface ProcessMemory {
  /** Resident; 0 while it is not known. */
  readonly rssBytes: number;
  /** What it may take; 0: no limit. */
  readonly limitBytes: number;
}

/** Asking the system takes as long as a small job. */
const SAMPLE_EVERY_MS = 100;

/** Answers how much memory (RSS, in bytes) this process takes, as it was up to a tenth of a second ago. */
export function makeRssGauge(): () => number {
  let sampledAt = -Infinity;
  let rssBytes = 0;
  return () => {
    const now = performance.now();
    if (now - sampledAt >= SAMPLE_EVERY_MS) {
      sampledAt = now;
      rssBytes = process.memoryUsage.rss();
    }
    return rssBytes;
  };
}
