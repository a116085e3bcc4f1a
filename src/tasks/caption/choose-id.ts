import type { SentenceRules } from '../../model.js';

/** What the next id of a sentence depends on, besides the decoder's logits. */
export interface Beginning {
  /** The ids so far, the first included. */
  readonly ids: readonly number[];
  /** Whether the next id is the last one that fits. */
  readonly isLast: boolean;
  readonly rules: SentenceRules;
}

/**
 * The likeliest next id that the rules allow, the smallest of equals, as transformers chooses it in a greedy search.
 * Undefined where a logit is NaN, or none is finite: a graph that fails must not be hidden by a rule.
 */
export function chooseId(logits: Float32Array, { ids, isLast, rules }: Beginning): number | undefined {
  const repeating = repeatingIds(ids, rules.noRepeatSize);
  let best: number | undefined;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] ?? 0;
    if (Number.isNaN(value)) return undefined;
    if (value > most && !repeating.has(id)) {
      most = value;
      best = id;
    }
  }
  if (best === undefined) return undefined;
  const forced = (isLast ? rules.lastId : undefined) ?? (ids.length === 1 ? rules.firstId : undefined);
  return forced ?? best;
}

/** The ids that would end a run of `size` ids which the sentence has already. */
function repeatingIds(ids: readonly number[], size: number): ReadonlySet<number> {
  const repeating = new Set<number>();
  if (size === 0) return repeating;
  const tail = ids.length - size + 1;
  for (let start = 0; start + size <= ids.length; start++) {
    let same = 0;
    while (same < size - 1 && ids[start + same] === ids[tail + same]) same += 1;
    if (same === size - 1) repeating.add(ids[start + same] ?? 0);
  }
  return repeating;
}
