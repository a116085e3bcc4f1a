import type { TextBox } from './find-boxes.js';

/** Boxes whose tops differ by less are of one line, in pixels of the canvas. */
const SAME_LINE = 10;

/**
 * From top to bottom, and from left to right within a line: each box goes before its neighbours in its line that begin
 * further to the right. The result is not sorted in the strict sense, since "of one line" is not transitive.
 */
export function inReadingOrder(boxes: readonly TextBox[]): readonly TextBox[] {
  const ordered: TextBox[] = [];
  for (const box of [...boxes].sort((one, other) => topOf(one) - topOf(other) || leftOf(one) - leftOf(other))) {
    let place = ordered.length;
    while (place > 0 && isBefore(box, ordered[place - 1] ?? box)) place--;
    ordered.splice(place, 0, box);
  }
  return ordered;
}

function isBefore(box: TextBox, other: TextBox): boolean {
  return Math.abs(topOf(box) - topOf(other)) < SAME_LINE && leftOf(box) < leftOf(other);
}

function leftOf({ corners }: TextBox): number {
  return corners[0][0];
}

function topOf({ corners }: TextBox): number {
  return corners[0][1];
}
