import type { Letterbox } from './letterbox.js';
import type { Point } from '../image/point.js';

/** Clockwise, in degrees. */
export type Turn = 90 | 180 | 270;

/** A letterbox whose photo was turned within its square. */
export interface TurnedLetterbox {
  readonly data: Uint8Array;
  /** Brings a point of the turned square back to where it is in the upright one. */
  readonly back: (point: Point) => Point;
}

/** Turns the photo in a letterbox; it lies at the top left again. Cheap, as the photo is small by then. */
export function turnLetterbox({ side, width, height, data }: Letterbox, turn: Turn): TurnedLetterbox {
  const turned = new Uint8Array(data.length);
  const [turnedWidth, turnedHeight] = turn === 180 ? [width, height] : [height, width];
  const back = backwards(turn, width, height);
  for (let y = 0; y < turnedHeight; y++) {
    let to = y * side * 3;
    for (let x = 0; x < turnedWidth; x++) {
      const [sourceX, sourceY] = back([x, y]);
      const from = (sourceY * side + sourceX) * 3;
      for (let i = from; i < from + 3; i++) turned[to++] = data[i] as number;
    }
  }
  return { data: turned, back };
}

function backwards(turn: Turn, width: number, height: number): (point: Point) => Point {
  const [right, bottom] = [width - 1, height - 1];
  if (turn === 90) return ([x, y]) => [y, bottom - x];
  if (turn === 180) return ([x, y]) => [right - x, bottom - y];
  return ([x, y]) => [right - y, x];
}
