import type { Point } from '../image/point.js';

/** A yes or no per pixel; 0 is no. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Pixels of a row that follow each other. */
interface Run {
  readonly y: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The regions of pixels that touch each other, also by a corner, from the last one to the first, by the row that they
 * begin in. Each is told by its first and its last pixel of each row: they have the region's convex hull.
 */
export function findRegions(mask: Mask): readonly (readonly Point[])[] {
  const runs = findRuns(mask);
  const parents = Int32Array.from(runs, (_, index) => index);
  // The first run of a row above that may still touch one of this row.
  let above = 0;
  runs.forEach(({ y, from, to }, index) => {
    while ((runs[above]?.y ?? y) < y - 1 || isLeftOf(runs[above], y - 1, from - 1)) above++;
    for (let other = above; touches(runs[other], y - 1, from - 1, to + 1); other++) {
      const [one, two] = [rootOf(parents, other), rootOf(parents, index)];
      parents[Math.max(one, two)] = Math.min(one, two);
    }
  });
  const regions = new Map<number, { y: number; from: number; to: number }[]>();
  runs.forEach(({ y, from, to }, index) => {
    const root = rootOf(parents, index);
    const rows = regions.get(root) ?? [];
    regions.set(root, rows);
    const row = rows.at(-1);
    if (row?.y === y) row.to = to;
    else rows.push({ y, from, to });
  });
  return [...regions.values()].reverse().map((rows) =>
    rows.flatMap(({ y, from, to }): readonly Point[] => [
      [from, y],
      [to, y],
    ]),
  );
}

function findRuns({ width, height, data }: Mask): readonly Run[] {
  const runs: Run[] = [];
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    let from = row.indexOf(1);
    while (from >= 0) {
      const end = row.indexOf(0, from);
      const to = (end < 0 ? width : end) - 1;
      runs.push({ y, from, to });
      from = end < 0 ? -1 : row.indexOf(1, end);
    }
  }
  return runs;
}

function isLeftOf(run: Run | undefined, y: number, from: number): boolean {
  return run?.y === y && run.to < from;
}

function touches(run: Run | undefined, y: number, from: number, to: number): boolean {
  return run?.y === y && run.from <= to && run.to >= from;
}

/** The first run of the region that a run belongs to; shortens the way for those who ask next. */
function rootOf(parents: Int32Array, index: number): number {
  let root = index;
  while (parents[root] !== root) {
    parents[root] = parents[parents[root] as number] as number;
    root = parents[root] as number;
  }
  return root;
}
