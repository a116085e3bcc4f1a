// The highest memory of a process and of all that it started. Looking costs the machine some milliseconds each time, so what is
// compared is looked at alike.
import { outputOf } from './children.js';
import { memoryOf } from './process-tree.js';

const SAMPLE_MS = 250;

/** Looks until `stop()`, which answers the peaks in MiB: `{ pss, rss }`, as `memoryOf` counts them. */
export function watchMemory(pid) {
  const peak = { pss: 0, rss: 0 };
  const sampler = setInterval(() => {
    const { pss, rss } = memoryOf(pid);
    peak.pss = Math.max(peak.pss, pss);
    peak.rss = Math.max(peak.rss, rss);
  }, SAMPLE_MS);
  return {
    stop() {
      clearInterval(sampler);
      return peak;
    },
  };
}

/** `outputOf`, with the peaks of the program's memory: `{ text, pss, rss }`. */
export async function outputAndMemory(program, args, cwd) {
  let memory;
  try {
    const text = await outputOf(program, args, cwd, (pid) => (memory = watchMemory(pid)));
    return { text, ...memory.stop() };
  } finally {
    memory?.stop();
  }
}
