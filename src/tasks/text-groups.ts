/** Tokens of difference that are not worth a run of their own. */
const NEAR_TOKENS = 8;

/**
 * Which texts share a run: places in `lengths`, the longest first, at most `maxBatch` in a group. A short text does not
 * join a long one where more than half of its row would be padding.
 */
export function groupByLength(lengths: readonly number[], maxBatch: number): readonly (readonly number[])[] {
  const lengthOf = (place: number): number => lengths[place] ?? 0;
  const order = lengths.map((_, place) => place).sort((a, b) => lengthOf(b) - lengthOf(a) || a - b);
  const groups: number[][] = [];
  for (const place of order) {
    const group = groups.at(-1);
    const longest = lengthOf(group?.[0] ?? place);
    const isLike = 2 * lengthOf(place) >= longest || longest - lengthOf(place) <= NEAR_TOKENS;
    if (group !== undefined && isLike && group.length < maxBatch) group.push(place);
    else groups.push([place]);
  }
  return groups;
}
