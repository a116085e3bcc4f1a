/**
 * When to send a batch: a pure decision. Time comes in as numbers, so that every case can be tested without waiting.
 *
 * The rules, in order:
 * 1. A thread with nothing to do gets what there is at once: a lone photo never waits for company while the device idles.
 * 2. A full batch goes to a busy thread as the one prepared ahead: it is decoded while the device works on the other.
 * 3. A part batch goes there too once its oldest item has waited `maxWaitMs`: a bounded wait for a fuller batch.
 * 4. With no room in any thread, items wait here; that room comes free is an event, not a time.
 */
export interface BatchView {
  readonly waiting: number;
  /** The items at the head fill a batch. */
  readonly isFull: boolean;
  /** When the item at the head arrived. */
  readonly oldestAtMs: number;
  readonly nowMs: number;
  readonly maxWaitMs: number;
  /** Threads that hold no batch at all. */
  readonly idleThreads: number;
  /** Batches that the threads may still take. */
  readonly freeSlots: number;
  /** Nothing more will come: don't wait for it. */
  readonly isFlushing: boolean;
}

export type BatchDecision =
  | { readonly kind: 'send' }
  /** Decide again after this time, or when anything changes. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** Only a change (an item, a free slot) can matter. */
  | { readonly kind: 'rest' };

export function decideBatch(view: BatchView): BatchDecision {
  if (view.waiting === 0 || view.freeSlots <= 0) return { kind: 'rest' };
  if (view.idleThreads > 0 || view.isFull || view.isFlushing) return { kind: 'send' };
  const waitedMs = view.nowMs - view.oldestAtMs;
  if (waitedMs >= view.maxWaitMs) return { kind: 'send' };
  return { kind: 'wait', ms: view.maxWaitMs - waitedMs };
}

export interface BatchLimits {
  /** Items per batch and model. */
  readonly maxBatch: number;
  /** Bytes per batch, as far as they are known before decoding. A single larger item still goes, alone. */
  readonly maxBatchBytes: number;
}

export interface Batchable {
  /** What limits a batch: each of these (a task's name) may occur `maxBatch` times in it. */
  readonly tasks: readonly string[];
  readonly bytes: number;
}

/** How many of the leading items make one batch, and whether a further item could still join it. */
export function measureBatch(items: Iterable<Batchable>, limits: BatchLimits): { count: number; isFull: boolean } {
  const perTask = new Map<string, number>();
  let count = 0;
  let bytes = 0;
  let isFull = false;
  for (const item of items) {
    if (count > 0 && bytes + item.bytes > limits.maxBatchBytes) return { count, isFull: true };
    if (item.tasks.some((task) => (perTask.get(task) ?? 0) >= limits.maxBatch)) return { count, isFull: true };
    for (const task of item.tasks) {
      const used = (perTask.get(task) ?? 0) + 1;
      perTask.set(task, used);
      if (used >= limits.maxBatch) isFull = true;
    }
    bytes += item.bytes;
    count += 1;
  }
  return { count, isFull: isFull || bytes >= limits.maxBatchBytes };
}
