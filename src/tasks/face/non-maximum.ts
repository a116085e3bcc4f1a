import type { Box, Detection } from './detection.js';

/**
 * Greedy non-maximum suppression: the best detection stays, those that overlap it by more than `maxOverlap`
 * (intersection over union) go, and so on with the next best. Answers the rest, best first.
 *
 * Sides count one pixel more than the difference of their coordinates, as insightface has it; so the result depends on
 * the scale, and boxes must be in pixels of the original picture.
 */
export function suppressOverlaps(detections: readonly Detection[], maxOverlap: number): readonly Detection[] {
  const sorted = [...detections].sort((one, other) => other.score - one.score);
  const kept: Detection[] = [];
  for (const candidate of sorted) {
    if (kept.every(({ box }) => overlap(box, candidate.box) <= maxOverlap)) kept.push(candidate);
  }
  return kept;
}

function overlap(one: Box, other: Box): number {
  const width = Math.max(0, Math.min(one.x2, other.x2) - Math.max(one.x1, other.x1) + 1);
  const height = Math.max(0, Math.min(one.y2, other.y2) - Math.max(one.y1, other.y1) + 1);
  const shared = width * height;
  return shared / (areaOf(one) + areaOf(other) - shared);
}

function areaOf({ x1, y1, x2, y2 }: Box): number {
  return (x2 - x1 + 1) * (y2 - y1 + 1);
}
