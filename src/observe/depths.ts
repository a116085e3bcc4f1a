import type { WatchedQueue } from './watched.js';

/** A scrape waits no longer for a queue. */
const DEADLINE_MS = 2000;
/** Many who ask at once, or one after the other, cost one look. */
const FRESH_MS = 1000;

/** How many jobs of a queue are in each place. */
export type Places = Readonly<Record<'waiting' | 'in_flight' | 'retry' | 'suspects' | 'dead', number>>;

/** Looks at a queue when asked, at most once a second; undefined where it doesn't answer. */
export function depthOf(queue: WatchedQueue): () => Promise<Places | undefined> {
  let look: Promise<Places | undefined> | undefined;
  let lookedAt = -Infinity;
  return () => {
    if (look === undefined || performance.now() - lookedAt > FRESH_MS) {
      lookedAt = performance.now();
      look = lookAt(queue);
    }
    return look;
  };
}

async function lookAt(queue: WatchedQueue): Promise<Places | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), DEADLINE_MS)));
  try {
    const depth = await Promise.race([queue.depth(), tooLate]);
    if (depth === undefined) return undefined;
    const { waiting, inFlight, retry, suspects, dead } = depth;
    return { waiting, in_flight: inFlight, retry, suspects, dead };
  } catch {
    // The runner tells of outages itself.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
