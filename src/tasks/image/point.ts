/** A point in pixels: `[x, y]`. */
export type Point = readonly [x: number, y: number];
