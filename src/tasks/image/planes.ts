/** The order of the colour planes that a graph wants, and the value for each byte. */
export interface PlaneFormat {
  readonly order: 'rgb' | 'bgr';
  /** 256 values. */
  readonly table: Float32Array;
}

/** `(value - 127.5) / spread`, as insightface's graphs want it. */
export function centredPlanes(spread: number): PlaneFormat {
  return { order: 'rgb', table: Float32Array.from({ length: 256 }, (_, value) => (value - 127.5) / spread) };
}

/** The bytes themselves, for graphs that do the rest by themselves. */
export function rawPlanes(order: PlaneFormat['order']): PlaneFormat {
  return { order, table: Float32Array.from({ length: 256 }, (_, value) => value) };
}

/** Writes RGB pixels as three planes from `start` on. Runs over a million bytes per photo, hence the plain loop. */
export function writePlanes(
  tensor: Float32Array,
  start: number,
  pixels: Uint8Array,
  { order, table }: PlaneFormat,
): void {
  const plane = pixels.length / 3;
  const red = start + (order === 'rgb' ? 0 : 2 * plane);
  const green = start + plane;
  const blue = start + (order === 'rgb' ? 2 * plane : 0);
  for (let i = 0, from = 0; i < plane; i++, from += 3) {
    tensor[red + i] = table[pixels[from] as number] as number;
    tensor[green + i] = table[pixels[from + 1] as number] as number;
    tensor[blue + i] = table[pixels[from + 2] as number] as number;
  }
}
