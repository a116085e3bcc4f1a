import type { Box, Face } from '../../dist/index.js';
import { cosine } from './fixtures.js';

export interface Farthest {
  readonly found: number;
  readonly missing: number;
  readonly added: number;
  /** The largest move of a box's border, relative to the shorter side of the box. */
  readonly deviation: number;
  /** Of the two vectors of a face: the least, and the median of all faces. */
  readonly cosine: number;
  readonly median: number;
}

/** How far the faces of `others` are from those of the same photos in `photos`: a face is the same where boxes overlap by half. */
export function farthest(photos: readonly (readonly Face[])[], others: readonly (readonly Face[])[]): Farthest {
  let [found, missing, added, deviation] = [0, 0, 0, 0];
  const cosines: number[] = [];
  photos.forEach((faces, index) => {
    const rest = [...(others[index] ?? [])];
    for (const face of faces) {
      const place = rest.findIndex(({ box }) => overlap(box, face.box) > 0.5);
      const [same] = place < 0 ? [] : rest.splice(place, 1);
      if (same === undefined) {
        missing += 1;
        continue;
      }
      found += 1;
      deviation = Math.max(deviation, moved(face.box, same.box));
      cosines.push(cosine(face.embedding, same.embedding));
    }
    added += rest.length;
  });
  cosines.sort((one, other) => one - other);
  const median = cosines[cosines.length >> 1] ?? NaN;
  return { found, missing, added, deviation, cosine: cosines[0] ?? NaN, median };
}

function moved(one: Box, other: Box): number {
  const size = Math.min(one.x2 - one.x1, one.y2 - one.y1);
  return Math.max(...(['x1', 'y1', 'x2', 'y2'] as const).map((side) => Math.abs(one[side] - other[side]))) / size;
}

function overlap(one: Box, other: Box): number {
  const width = Math.max(0, Math.min(one.x2, other.x2) - Math.max(one.x1, other.x1));
  const height = Math.max(0, Math.min(one.y2, other.y2) - Math.max(one.y1, other.y1));
  const area = ({ x1, y1, x2, y2 }: Box): number => (x2 - x1) * (y2 - y1);
  return (width * height) / (area(one) + area(other) - width * height);
}
